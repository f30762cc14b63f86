-- Counts a request, unless too many were accepted within the period. KEYS[1] lists the times of the accepted requests of one
-- API key, in microseconds, by Redis's own clock, which is the same for all edges.
--
-- ARGV: the most requests in any period, and the period in microseconds.
-- Returns whether it is accepted (1 or 0), how many more would be, and after how many microseconds one more is.
local times = KEYS[1]
local most, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local newest = tonumber(redis.call('LINDEX', times, -1))
if newest and newest <= now - period then
    redis.call('DEL', times)
end
local oldest = tonumber(redis.call('LINDEX', times, 0))
while oldest and oldest <= now - period do
    redis.call('LPOP', times)
    oldest = tonumber(redis.call('LINDEX', times, 0))
end

local used = redis.call('LLEN', times)
-- The clock may have been set back.
local reset = math.min((oldest or now) + period - now, period)
if used >= most then
    return { 0, 0, reset }
end
redis.call('RPUSH', times, string.format('%.0f', now))
redis.call('PEXPIRE', times, math.ceil(period / 1000))
return { 1, most - used - 1, reset }
