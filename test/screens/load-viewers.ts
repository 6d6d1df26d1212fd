/** The watchers of `load.ts`, in a process of their own: counts what each is told, and says what was lost. */
import { connect } from 'node:net';

interface Told {
  count: number;
  last: number;
  disordered: number;
}

const [url, token, run, viewers, total] = process.argv.slice(2) as [string, string, string, string, string];
const wanted = Number(total);
const headers = { authorization: `Bearer ${token}` };

async function watch(): Promise<Told> {
  const told: Told = { count: 0, last: 0, disordered: 0 };
  const control = new AbortController();
  const response = await fetch(`${url}/api/runs/${run}/live?after=0`, { headers, signal: control.signal });
  if (!response.ok) throw new Error(`watching: ${response.status}`);
  process.send?.('watching');
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of response.body!) {
    const text = rest + decoder.decode(bytes as Uint8Array, { stream: true });
    const end = text.lastIndexOf('}') + 1;
    rest = text.slice(end);
    for (const match of text.slice(0, end).matchAll(/\{"seq":(\d+),"run":"[0-9a-f]+","atMs":\d+,"kind":"trial"/g)) {
      const seq = Number(match[1]);
      if (seq <= told.last) told.disordered++;
      told.last = seq;
      told.count++;
    }
    if (told.count >= wanted) break;
  }
  control.abort();
  return told;
}

// Some never read, some go away at once; nobody may wait for them.
const { hostname, port } = new URL(url);
const stalled = Array.from({ length: 20 }, () => {
  const socket = connect(Number(port), hostname, () =>
    socket.write(
      `GET /api/runs/${run}/live?after=0 HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\n\r\n`,
    ),
  );
  socket.on('error', () => {
    // The server ends it at last; that is what it is here for.
  });
  socket.pause();
  return socket;
});
for (let i = 0; i < 20; i++) {
  const control = new AbortController();
  await fetch(`${url}/api/runs/${run}/live?after=0`, { headers, signal: control.signal });
  control.abort();
}
const all = await Promise.all(Array.from({ length: Number(viewers) }, watch));
for (const socket of stalled) socket.destroy();
process.send?.({
  counts: all.map(({ count }) => count),
  disordered: all.reduce((sum, each) => sum + each.disordered, 0),
});
setTimeout(() => process.exit(0), 50);
