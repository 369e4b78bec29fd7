-- Webhooks for `wrk`: the template with its places filled in, made anew for each request.
--
-- Arguments: file with the template, mode (`repeat`, `join` or `open`), number of this run against
-- the same server, API key (may be empty).

-- Alerts that are repeated, and incidents that are joined.
local POOL = 64

local thread_count = 0

function setup(thread)
   thread:set("thread_number", thread_count)
   thread_count = thread_count + 1
end

-- The request in pieces: the odd ones are text, the even ones places.
local pieces = {}
local places = 0
local mode, prefix
local requests, alerts = 0, 0
-- Made once: what is made for each request is paid by the machine that is measured.
local shared, suffixes = {}, {}

function init(args)
   local file = assert(io.open(args[1]))
   local body = file:read("*l")
   file:close()
   mode = args[2]
   prefix = string.format("%01x%02x", tonumber(args[3]), thread_number)
   for number = 0, POOL - 1 do shared[number] = string.format("%012x", number) end
   wrk.headers["Content-Type"] = "application/json"
   if args[4] and args[4] ~= "" then
      wrk.headers["Authorization"] = "Bearer " .. args[4]
   end
   -- A place is as long as what is put there, so the length is right for all.
   local request = wrk.format("POST", nil, nil, body)
   local from = 1
   while true do
      local first, last = request:find("@@[@A-Z]+@@", from)
      if not first then break end
      pieces[#pieces + 1] = request:sub(from, first - 1)
      pieces[#pieces + 1] = ""
      places = places + 1
      from = last + 1
   end
   pieces[#pieces + 1] = request:sub(from)
   for place = 1, places, 2 do suffixes[place] = string.format("%03x", place) end
end

function request()
   local base = string.format("%s%06x", prefix, requests)
   requests = requests + 1
   -- Each alert has two places: what tells it from all others, then what its incident has in common.
   for place = 1, places, 2 do
      local common = shared[alerts % POOL]
      local own = base .. suffixes[place]
      alerts = alerts + 1
      pieces[2 * place] = mode == "repeat" and common or own
      pieces[2 * place + 2] = mode == "open" and own or common
   end
   return table.concat(pieces)
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
