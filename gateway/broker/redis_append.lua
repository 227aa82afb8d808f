-- Append one batch of a node to a topic's order, and tell it; or say why not.
-- KEYS: state stream sizes roster amended changed leases taken
-- ARGV: node number epoch leased mode channel publish count entries bytes age meta body parts…
-- Replies: {'ok', first, matches…} {'stale', last} {'void'} {'never'} {'lost'} {'none'} {'old'}
local PARTS = 13
local STATE, STREAM, SIZES, ROSTER, AMENDED, CHANGED, LEASES, TAKEN = unpack(KEYS)
local node, number, epoch = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local leased, mode, channel, publish = ARGV[4] == '1', ARGV[5], ARGV[6], ARGV[7]
local count = tonumber(ARGV[8])

-- Asked again: the first answer. A number never counts twice, so an unknown
-- outcome is settled by asking, and a copy that comes late changes nothing.
local taken = redis.call('HGET', TAKEN, node)
if taken then
  local last, verdict, first = string.match(taken, '^(%d+) (%a+) (%d+)$')
  last = tonumber(last)
  if last == number then return {verdict, tonumber(first)} end
  if last > number then return {'old'} end
end

local state = redis.call('HMGET', STATE, 'epoch', 'seq', 'bytes', 'touched', 'heard')
if not state[1] then return {'none'} end
if epoch ~= '' and epoch ~= state[1] then return {'lost'} end
epoch = state[1]
if mode == 'settle' then
  redis.call('HSET', TAKEN, node, ARGV[2] .. ' never 0')
  return {'never'}
end
if leased and redis.call('HEXISTS', LEASES, node) == 0 then return {'lost'} end

local seq, total = tonumber(state[2]), tonumber(state[3])
local meta = cmsgpack.unpack(ARGV[12])
local subjects, judged, ops = meta[1], meta[2], meta[3]

-- What was judged before its sender's rights changed is not appended.
local touched = tonumber(state[4] or '0')
if touched > 0 then
  local floor = tonumber(redis.call('HGET', CHANGED, '*') or '0')
  for i, subject in ipairs(subjects) do
    if touched > judged[i] then
      local at = tonumber(redis.call('HGET', CHANGED, subject) or '0')
      if at > judged[i] or floor > judged[i] then return {'stale', seq} end
    end
  end
end

-- Some things are said once whoever says them: each of these travels alone.
local now = milliseconds()
local gone, matches = {}, {}
local op = ops[1]
if op and op[1] == 'gone' then
  -- {gone, index, node, force}
  local lease = redis.call('HGET', LEASES, op[3])
  if not op[4] and not (lease and read_lease(lease) < now) then return {'void'} end
  gone = connections_of(ROSTER, op[3])
  if #gone == 0 then
    redis.call('HDEL', LEASES, op[3])
    retire_if_empty(KEYS)
    return {'void'}
  end
elseif op and op[1] == 'amend' then
  -- {amend, index, participant, version, amendments}
  -- That a join brought the same version does not count: the participant's
  -- other connections learn of it by this.
  if tonumber(redis.call('HGET', CHANGED, 'said:' .. op[3]) or '0') >= op[4] then return {'void'} end
elseif op and op[1] == 'left' and not leased then
  if redis.call('HEXISTS', ROSTER, op[3]) == 0 then return {'void'} end
elseif op and op[1] == 'end' then
  -- {end, index, subjects, participant, jti, iat_until}
  for _, value in ipairs(redis.call('HVALS', ROSTER)) do
    local packed = string.sub(value, string.find(value, ' ', 1, true) + 1)
    local record = cmsgpack.unpack(packed)
    if (not op[4] or op[4] == record[3]) and (not op[5] or op[5] == record[5])
        and (not op[6] or record[6] <= op[6]) then
      matches[#matches + 1] = packed
    end
  end
end

-- Redis asks for each command of a script by itself whether the user may. One who may XADD and not
-- HSET would leave half a batch: so all that is still to come is asked for before it begins (the keys
-- were, when the script was called).
local may = redis.acl_check_cmd
local lacks = not may('XADD', STREAM, '1-0', 'b', '') and 'XADD'
  or not may('RPUSH', SIZES, '') and 'RPUSH'
  or not may('HSET', STATE, '', '') and 'HSET'
  or not may('LRANGE', SIZES, '0', '1') and 'LRANGE'
  or not may('LPOP', SIZES) and 'LPOP'
  or not may('XTRIM', STREAM, 'MINID', '=', '1-0') and 'XTRIM'
  or op and (not may('HDEL', ROSTER, '') and 'HDEL'
    or not may('EXISTS', ROSTER) and 'EXISTS'
    or not may('DEL', ROSTER) and 'DEL')
if lacks then return redis.error_reply('NOPERM the gateway may not ' .. lacks .. ', so nothing was written') end

-- From here on it is written. XADD comes first: what else stops a script (memory,
-- a replica, a full disk) stops it at its first write and leaves nothing.
local first, last = seq + 1, seq + count
local size = #ARGV[13]
redis.call('XADD', STREAM, whole(last) .. '-0', 'b', ARGV[13])
redis.call('RPUSH', SIZES, whole(last) .. ' ' .. whole(total) .. ' ' .. whole(now))
redis.call('HSET', STATE, 'seq', whole(last), 'bytes', whole(total + size), 'last', node .. ' ' .. ARGV[2])
redis.call('HSET', TAKEN, node, ARGV[2] .. ' ok ' .. whole(first))

local function change(subject, at)
  redis.call('HSET', CHANGED, subject, whole(at))
  redis.call('HSET', STATE, 'touched', whole(at))
end

-- Keep what is newer; return whether it is.
local function amend(participant, version, amendments)
  local known = redis.call('HGET', AMENDED, participant)
  if version <= tonumber(known and string.match(known, '^%d+') or '0') then return false end
  redis.call('HSET', AMENDED, participant, whole(version) .. ' ' .. amendments)
  return true
end

for _, each in ipairs(ops) do
  local kind, at = each[1], first + each[2]
  if kind == 'join' then
    -- {join, index, connection, record, participant, version, amendments}
    redis.call('HSET', ROSTER, each[3], whole(at) .. ' ' .. ARGV[PARTS + each[4]])
    -- News that its participant's other connections have yet to hear.
    if amend(each[5], each[6], ARGV[PARTS + each[7]]) then change(each[5], at) end
  elseif kind == 'left' then
    redis.call('HDEL', ROSTER, each[3])
  elseif kind == 'gone' then
    for i = 1, #gone, 500 do
      redis.call('HDEL', ROSTER, unpack(gone, i, math.min(i + 499, #gone)))
    end
    redis.call('HDEL', LEASES, each[3])
  elseif kind == 'amend' then
    amend(each[3], each[4], ARGV[PARTS + each[5]])
    redis.call('HSET', CHANGED, 'said:' .. each[3], whole(each[4]))
    change(each[3], at)
  elseif kind == 'end' then
    for _, subject in ipairs(each[3]) do change(subject, at) end
  end
end

trim(STREAM, SIZES, last, total + size, now, tonumber(state[5] or '0'),
  tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]))
-- A right to publish that was taken away must not leave the append half said:
-- the reply tells, and the node reads the stream.
local told = redis.pcall(publish, channel, epoch .. ' ' .. whole(first) .. ' ' .. ARGV[13])
if type(told) == 'table' and told.err then matches = {told.err} first = -first end
if op and op[1] == 'gone' then retire_if_empty(KEYS) end
return {'ok', first, unpack(matches)}
