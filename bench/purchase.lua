-- Posts purchases that are all new, of many members; the arguments are the token, a name for
-- the run, the number of members and the moment.
local token, run, members, moment = "", "", 1, ""
local count = 0
-- Set from setup, hence global: every thread has an interpreter of its own.
thread_id = 0
local threads = 0

function setup(thread)
  thread:set("thread_id", threads)
  threads = threads + 1
end

function init(args)
  token, run, members, moment = args[1], args[2], tonumber(args[3]), args[4]
  math.randomseed(7 + thread_id)
end

local body = [[{"source":"bench","external_id":"%s","member":{"identifier":"88%08d"},
"occurred_at":"%s","store":"bench-1","channel":"store","currency":"EUR","lines":[
{"line_id":"1","sku":"MLK","name":"Milk","category":"dairy","quantity":"2","unit_price":"1.10"},
{"line_id":"2","sku":"BRD","name":"Bread","category":"bakery","quantity":"1","unit_price":"2.35"},
{"line_id":"3","sku":"APL","name":"Apples","category":"produce","quantity":"1.250","unit_price":"3.20","discount":"0.50"}]}]]

function request()
  count = count + 1
  local id = run .. "-" .. thread_id .. "-" .. count
  local headers = {
    ["Authorization"] = "Bearer " .. token,
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = "bench-key-" .. id .. "-0000000000"
  }
  local member = math.random(0, members - 1)
  return wrk.format("POST", "/api/v1/purchases", headers, string.format(body, id, member, moment))
end

-- The 99th percentile is told in milliseconds.
function done(summary, latency)
  io.write(string.format("requests %d seconds %.6f errors %d p99 %.3f\n", summary.requests,
    summary.duration / 1e6, summary.errors.status + summary.errors.connect
    + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(99) / 1000))
end
