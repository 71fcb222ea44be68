-- Serves the files below a folder, because HAProxy is a proxy and has nothing to serve by itself.
-- It also logs the keys of TLS, once for each connection, which HAProxy can tell but not write to a file.
local levels = {
  CLIENT_HANDSHAKE_TRAFFIC_SECRET = "client_handshake_traffic_secret",
  SERVER_HANDSHAKE_TRAFFIC_SECRET = "server_handshake_traffic_secret",
  CLIENT_TRAFFIC_SECRET_0 = "client_traffic_secret_0",
  SERVER_TRAFFIC_SECRET_0 = "server_traffic_secret_0",
}
local logged = {}

local function log_keys(applet)
  local random = applet.sc:hex(applet.f:ssl_fc_client_random())
  if random == "" or logged[random] then return end
  logged[random] = true
  local file = io.open(os.getenv("PANTHER_KEYS"), "a")
  for label, name in pairs(levels) do
    file:write(label, " ", random:lower(), " ", applet.f["ssl_fc_" .. name](applet.f), "\n")
  end
  file:close()
end

core.register_service("files", "http", function(applet)
  log_keys(applet)
  local file = not applet.path:find("..", 1, true) and io.open(os.getenv("PANTHER_WWW") .. applet.path, "rb")
  if not file then
    applet:set_status(404)
    applet:start_response()
    return
  end
  local size = file:seek("end")
  file:seek("set")
  applet:set_status(200)
  applet:add_header("content-length", tostring(size))
  applet:add_header("content-type", "application/octet-stream")
  applet:start_response()
  for chunk in function() return file:read(65536) end do applet:send(chunk) end
  file:close()
end)
