-- Change one field of a hash if it still is as it was read ('' for absent).
-- Asking again after an unknown outcome gets the same answer.
-- KEYS: hash. ARGV: field before after ('' deletes)
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then
  if now == ARGV[3] then return 1 end
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
