CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, age INTEGER, city TEXT, active INTEGER NOT NULL DEFAULT 1);
INSERT INTO users (name, email, age, city, active) VALUES
  ('Ada', 'ada@mcpx.example', 36, 'London', 1),
  ('Bo', 'bo@mcpx.example', 19, 'Oslo', 1),
  ('Chen', 'chen@mcpx.example', 52, 'San Francisco', 0),
  ('Dina', 'dina@mcpx.example', 28, 'Tokyo', 1);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id), product TEXT NOT NULL, amount REAL NOT NULL, status TEXT NOT NULL);
INSERT INTO orders (user_id, product, amount, status) VALUES
  (1, 'tent', 240.0, 'paid'),
  (2, 'map', 12.5, 'paid'),
  (2, 'boots', 130.0, 'open');
