-- The same for the nodes themselves: who lives, and who has not been heard of.
-- KEYS: nodes. ARGV: node lease
-- Reply: names of dead nodes
local node, lease = ARGV[1], tonumber(ARGV[2])
local now = milliseconds()
local beat = tonumber(redis.call('HGET', KEYS[1], '') or '0')
local is_outage = now < beat or now - beat > lease * 2 / 3
local dead = {}
local nodes = redis.call('HGETALL', KEYS[1])
for i = 1, #nodes, 2 do
  local name, ends = nodes[i], tonumber(nodes[i + 1])
  if name ~= '' and (is_outage or ends > now + lease) then
    redis.call('HSET', KEYS[1], name, whole(now + lease))
  elseif name ~= '' and name ~= node and ends < now then
    dead[#dead + 1] = name
  end
end
redis.call('HSET', KEYS[1], node, whole(now + lease), '', whole(now))
return dead
