-- Counts entries and moves the offset past them: all of it, or nothing. Redis runs a script without a break.
--   KEYS  what the stream's consumer keeps: progress, counts, ledger, owners
--   ARGV  token, owner, then an id and a word for each entry, oldest first; none to enter
-- Returns the offset from which to go on; an error that starts with STALE when a newer owner has been here.
local progress, counts, ledger, owners = unpack(KEYS)
local token, owner = ARGV[1], ARGV[2]

-- The fence. An owner that slept through its own end still believes that the stream is its own; only the store, which
-- has seen a newer token, can know better.
local newest = redis.call('HGET', progress, 'token') or '0'
if tonumber(token) < tonumber(newest) then
  redis.call('HINCRBY', progress, 'refused', 1)
  return redis.error_reply('STALE token ' .. token .. ': ' .. newest .. ' has been here')
end
if token ~= newest then
  redis.call('HSET', progress, 'token', token)
  redis.call('RPUSH', owners, owner .. ' ' .. token)
end

for i = 3, #ARGV, 2 do
  local id, word = ARGV[i], ARGV[i + 1]
  redis.call('HINCRBY', counts, word, 1)
  redis.call('HSET', progress, 'offset', id)
  -- Only the verdict needs this: which entries were counted, in which order.
  redis.call('RPUSH', ledger, id)
end
return redis.call('HGET', progress, 'offset') or '0-0'
