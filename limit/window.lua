-- A sliding window over the requests of one key, by Redis's own clock.
--
-- KEYS[1]  a hash: a second of the clock -> how many requests were drawn in it
-- ARGV     the limit, how many requests are asked for, whether to draw them (1) or only look (0), the window in seconds
-- returns  allowed (0 or 1) and how many are used, and in microseconds how long until what was refused fits, 0 if it
--          never will, and how long until nothing is used

local limit, n, draw, window = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1', tonumber(ARGV[4])
local time = redis.call('TIME')
local now, micros = tonumber(time[1]), tonumber(time[2])

local fields = redis.pcall('HGETALL', KEYS[1])
if fields.err then -- somebody else's value
  redis.call('DEL', KEYS[1])
  fields = {}
end

-- A second counts in full until all of it has left the window, so that no window ever has more than the limit. One that
-- is ahead, because the clock was set back, counts as the present one.
local drawn, obsolete, used = {}, {}, 0
for i = 1, #fields, 2 do
  local second, count = tonumber(fields[i]), tonumber(fields[i + 1])
  if second and count and second >= now - window then
    local at = math.min(second, now)
    drawn[at] = (drawn[at] or 0) + count
    used = used + count
  end
  if not second or second < now - window or second > now then
    obsolete[#obsolete + 1] = fields[i]
  end
end

local allowed = used + n <= limit
if allowed and draw then
  for _, field in ipairs(obsolete) do
    redis.call('HDEL', KEYS[1], field)
  end
  drawn[now] = (drawn[now] or 0) + n
  used = used + n
  redis.call('HSET', KEYS[1], now, drawn[now])
  redis.call('PEXPIRE', KEYS[1], (window + 1) * 1000)
end

local retry, reset, left = 0, 0, used
for second = now - window, now do
  if drawn[second] then
    reset = (second + window + 1 - now) * 1000000 - micros
    left = left - drawn[second]
    if not allowed and retry == 0 and left + n <= limit then
      retry = reset
    end
  end
end
return { allowed and 1 or 0, used, retry, reset }
