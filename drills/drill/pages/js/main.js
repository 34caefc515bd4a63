// After `ready`, shoppers come as lines of JSON on stdin; the responses that each of them got go out as one line on stdout. Ends with stdin.
import { createInterface } from 'node:readline';
import { journey } from './journey.js';

const [address] = process.argv.slice(2);
const walking = new Set();

process.stdout.write('ready\n'); // all that is slow the first time is loaded

for await (const line of createInterface({ input: process.stdin })) {
  const { id, ...shopper } = JSON.parse(line);
  const walk = journey(address, shopper).then((responses) => process.stdout.write(`${JSON.stringify({ id, responses })}\n`));
  walking.add(walk);
  void walk.finally(() => walking.delete(walk));
}
await Promise.all(walking);
process.exit();
