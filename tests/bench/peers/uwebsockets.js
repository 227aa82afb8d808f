// uwebsockets.js PORT: uWebSockets.js with its native publish(), which joins what is ready in one round.
const uWS = require('uwebsockets');

const port = Number(process.argv[2]);
const decoder = new TextDecoder();

uWS
  .App()
  .ws('/*', {
    compression: 0,
    maxPayloadLength: 4 << 20,
    maxBackpressure: 64 << 20,
    idleTimeout: 0,
    upgrade: (response, request, context) => {
      response.upgrade(
        { topic: new URLSearchParams(request.getQuery()).get('topic') || '-' },
        request.getHeader('sec-websocket-key'),
        request.getHeader('sec-websocket-protocol'),
        request.getHeader('sec-websocket-extensions'),
        context,
      );
    },
    open: (socket) => socket.subscribe(socket.getUserData().topic),
    message: (socket, data) => {
      const envelope = JSON.parse(decoder.decode(data));
      if (typeof envelope.kind !== 'string' || !envelope.kind.startsWith('mcp/')) return;
      socket.publish(socket.getUserData().topic, data, false);
    },
  })
  .listen('127.0.0.1', port, (listener) => {
    if (!listener) process.exit(1);
  });
