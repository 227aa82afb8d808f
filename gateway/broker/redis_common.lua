-- What every script of a topic shares. All keys of a topic lie on one shard.
local function milliseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- A lease is "UNTIL HEARD": when it ends, and how far its node had heard the
-- topic at its last heartbeat.
local function read_lease(lease)
  local ends, heard = string.match(lease, '^(%d+) (%d+)$')
  return tonumber(ends), tonumber(heard)
end

local function lease_until(ends, heard)
  return whole(ends) .. ' ' .. whole(heard)
end

-- Keep the stream within its bounds. `sizes` has one "LAST BEFORE AT" for each
-- batch: its last position, the bytes of all batches before it, and when it
-- came. What a living node may not have heard yet (from `heard` on, the last
-- that it heard included, for it is how it knows the order again) goes for its
-- bytes only; the newest batch stays.
local function trim(stream, sizes, last, bytes, now, heard, max_entries, max_bytes, max_age)
  local floor = nil
  while true do
    local two = redis.call('LRANGE', sizes, 0, 1)
    if not two[2] then break end
    local upto, before, at = string.match(two[1], '^(%d+) (%d+) (%d+)$')
    upto = tonumber(upto)
    local is_due = last - upto >= max_entries or now - tonumber(at) > max_age
    if bytes - tonumber(before) <= max_bytes and not (is_due and upto < heard) then break end
    redis.call('LPOP', sizes)
    floor = upto + 1
  end
  if floor then
    redis.call('XTRIM', stream, 'MINID', '=', whole(floor) .. '-0')
  end
end

-- The connections of one node: a connection is named NODE/NUMBER.
local function connections_of(roster, node)
  local found, start = {}, node .. '/'
  for _, connection in ipairs(redis.call('HKEYS', roster)) do
    if string.sub(connection, 1, #start) == start then
      found[#found + 1] = connection
    end
  end
  return found
end

-- A topic in which nobody is and which no node hears begins anew next time.
local function retire_if_empty(keys)
  if redis.call('EXISTS', keys[4], keys[7]) == 0 then
    redis.call('DEL', unpack(keys))
    return 1
  end
  return 0
end
