-- Renew a node's lease on a topic, and name the nodes whose lease has run out.
-- KEYS: as for append. ARGV: node epoch lease heard entries bytes age
-- Replies: {'lost'} or {'ok', seq, dead…}
local STATE, STREAM, SIZES, ROSTER, AMENDED, CHANGED, LEASES, TAKEN = unpack(KEYS)
local node, lease, heard, age = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[7])
local state = redis.call('HMGET', STATE, 'epoch', 'seq', 'bytes', 'beat')
if state[1] ~= ARGV[2] or redis.call('HEXISTS', LEASES, node) == 0 then return {'lost'} end

-- Nobody could renew while nobody did: after an outage every lease starts anew.
local now = milliseconds()
local beat = tonumber(state[4] or '0')
local is_outage = now < beat or now - beat > lease * 2 / 3
local reply = {'ok', tonumber(state[2])}
local leases = redis.call('HGETALL', LEASES)
local lowest = heard
for i = 1, #leases, 2 do
  local name, ends, place = leases[i], read_lease(leases[i + 1])
  if name ~= node then
    if is_outage or ends > now + lease then
      redis.call('HSET', LEASES, name, lease_until(now + lease, place))
    elseif ends < now then
      reply[#reply + 1] = name
    end
    lowest = math.min(lowest, place)
  end
end
redis.call('HSET', LEASES, node, lease_until(now + lease, heard))
redis.call('HSET', STATE, 'beat', whole(now), 'heard', whole(lowest))

trim(STREAM, SIZES, tonumber(state[2]), tonumber(state[3]), now, lowest,
  tonumber(ARGV[5]), tonumber(ARGV[6]), age)
-- Without a node to trim it, what was said does not lie around for long.
redis.call('PEXPIRE', STREAM, age * 10)
redis.call('PEXPIRE', SIZES, age * 10)

-- Bound what grows with history. Forgetting when a subject changed is safe
-- if everything judged before that moment counts as stale.
if redis.call('HLEN', CHANGED) > 2000 then
  local floor = tonumber(state[2])
  redis.call('DEL', CHANGED)
  redis.call('HSET', CHANGED, '*', whole(floor))
  redis.call('HSET', STATE, 'touched', whole(floor))
end
if redis.call('HLEN', TAKEN) > 500 then
  for _, name in ipairs(redis.call('HKEYS', TAKEN)) do
    if redis.call('HEXISTS', LEASES, name) == 0 then redis.call('HDEL', TAKEN, name) end
  end
end
if redis.call('HLEN', AMENDED) > 2000 then
  local present = {}
  for _, value in ipairs(redis.call('HVALS', ROSTER)) do
    local record = cmsgpack.unpack(string.sub(value, string.find(value, ' ', 1, true) + 1))
    present[record[3]] = true
  end
  for _, participant in ipairs(redis.call('HKEYS', AMENDED)) do
    if not present[participant] then redis.call('HDEL', AMENDED, participant) end
  end
end
return reply
