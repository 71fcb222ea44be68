-- Serves the files below a folder, because HAProxy is a proxy and has nothing to serve by itself.
core.register_service("files", "http", function(applet)
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
