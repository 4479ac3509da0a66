-- Reads one address over and over; the argument is the token.
function init(args)
  wrk.headers["Authorization"] = "Bearer " .. args[1]
end

function done(summary)
  io.write(string.format("requests %d seconds %.6f errors %d\n", summary.requests,
    summary.duration / 1e6, summary.errors.status + summary.errors.connect
    + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
