-- Sends what the files named in the environment say, and prints one JSON line with what came back.
-- BENCH_HEADERS: lines "Name: value". BENCH_BODIES and BENCH_BEARERS: one per line, used in turn from BENCH_START on.
local function lines(name)
  local found, path = {}, os.getenv(name)
  if path and path ~= "" then
    for line in io.lines(path) do found[#found + 1] = line end
  end
  return found
end

local prepared, at = {}, 0

function init()
  local method, path, headers = os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH"), {}
  for _, line in ipairs(lines("BENCH_HEADERS")) do
    local name, value = line:match("^(.-): (.*)$")
    headers[name] = value
  end
  local bodies, bearers = lines("BENCH_BODIES"), lines("BENCH_BEARERS")
  for number = 1, math.max(#bodies, #bearers, 1) do
    if #bearers > 0 then headers["Authorization"] = "Bearer " .. bearers[(number - 1) % #bearers + 1] end
    local body = nil
    if #bodies > 0 then body = bodies[(number - 1) % #bodies + 1] end
    prepared[number] = wrk.format(method, path, headers, body)
  end
  at = tonumber(os.getenv("BENCH_START") or "0") % #prepared
end

function request()
  at = at % #prepared + 1
  return prepared[at]
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
