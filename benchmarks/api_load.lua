-- Requests from a list of "path<TAB>entity tag" lines, each after the other; a line of results at the end.
-- wrk -s api_load.lua URL -- FILE FIRST [KEY]
local requests, place = {}, 0

function init(args)
  local key = args[3]
  for line in io.lines(args[1]) do
    local path, tag = line:match("^(%S+)\t?(%S*)$")
    local headers = {}
    if tag ~= "" then headers["If-None-Match"] = tag end
    if key then headers["X-API-Key"] = key end
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
  place = tonumber(args[2])
end

function request()
  place = place + 1
  return requests[(place - 1) % #requests + 1]
end

function done(summary, latency, _)
  local failed = summary.errors
  io.write(string.format("\nRESULT %d %d %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency.max,
    failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
