// ws.js PORT: npm `ws`, tuned: the received bytes are sent on as they are, without another stringify.
const { WebSocketServer, WebSocket } = require('ws');

const topics = new Map();
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  perMessageDeflate: false,
  backlog: 4096,
  maxPayload: 4 << 20,
});

server.on('connection', (socket, request) => {
  const topic = new URL(request.url, 'http://localhost').searchParams.get('topic');
  if (!topics.has(topic)) topics.set(topic, new Set());
  const members = topics.get(topic);
  members.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => {
    members.delete(socket);
    if (members.size === 0) topics.delete(topic);
  });
  socket.on('message', (data) => {
    const envelope = JSON.parse(data.toString());
    if (typeof envelope.kind !== 'string' || !envelope.kind.startsWith('mcp/')) return;
    for (const member of members) {
      if (member !== socket && member.readyState === WebSocket.OPEN) member.send(data, { binary: false });
    }
  });
});
