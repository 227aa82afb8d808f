-- A topic as it is now; with a lease, the node hears it from here on.
-- KEYS: as for append. ARGV: node lease epoch
-- Reply: {epoch, seq, last, taken…, roster…, amended…} or {} when there is none
local lease = tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'last')
if lease > 0 then
  if not state[1] then
    redis.call('DEL', unpack(KEYS))
    redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'seq', '0', 'bytes', '0', 'last', '')
    state = {ARGV[3], '0', ''}
  end
  redis.call('HSET', KEYS[7], ARGV[1], lease_until(milliseconds() + lease, tonumber(state[2])))
elseif not state[1] then
  return {}
end
return {
  state[1], tonumber(state[2]), state[3],
  redis.call('HGETALL', KEYS[8]), redis.call('HVALS', KEYS[4]), redis.call('HGETALL', KEYS[5]),
}
