-- Forwards events to subscribers: each once, and those of one scope (a conversation, a call) in their sequence.
--
-- KEYS: the log; then for each event the record of its id, and the record of its scope's last sequence.
-- ARGV: the length of the log, the lifetime of a record in seconds, the channel; then for each event its id, its
--       envelope, its sequence, and `next` if it must be the next of its scope, else `any`.
-- Returns for each event `now`, `before`, `early` with the number of events that are missing before it (negative if later
-- ones were forwarded), or the error with which Redis refused it. An event that is not forwarded changes nothing, and
-- does not affect the others.

local log, length, lifetime, channel = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local function forward(seen, last, id, envelope, sequence, order)
  if redis.call('EXISTS', seen) == 1 then return 'before' end
  local missing = tonumber(sequence) - 1 - tonumber(redis.call('GET', last) or 0)
  if order == 'next' and missing ~= 0 then return string.format('early %d', missing) end
  local entry = redis.call('XADD', log, 'MAXLEN', '~', length, '*', 'event_id', id, 'event', envelope)
  local published = redis.pcall('PUBLISH', channel, envelope)
  if type(published) == 'table' and published.err then
    redis.call('XDEL', log, entry)
    return published.err
  end
  redis.call('SET', seen, '1', 'EX', lifetime)
  redis.call('SET', last, sequence, 'EX', lifetime)
  return 'now'
end

local results = {}
for key = 2, #KEYS, 2 do
  local arg = 2 * key
  local ok, result = pcall(forward, KEYS[key], KEYS[key + 1], ARGV[arg], ARGV[arg + 1], ARGV[arg + 2], ARGV[arg + 3])
  if not ok then result = type(result) == 'table' and result.err or tostring(result) end
  results[#results + 1] = result
end
return results
