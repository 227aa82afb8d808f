-- A node hears a topic no more.
-- KEYS: as for append. ARGV: node
-- Replies: 'occupied' while connections of the node are on the roster, 'retired', 'ok'
if redis.call('EXISTS', KEYS[1]) == 0 then return 'retired' end
if #connections_of(KEYS[4], ARGV[1]) > 0 then return 'occupied' end
redis.call('HDEL', KEYS[7], ARGV[1])
if retire_if_empty(KEYS) == 1 then return 'retired' end
return 'ok'
