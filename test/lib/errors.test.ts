import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { EmbedderError } from '../../lib/errors';

const message = 'No finite vector for input 1.';
const indices = [1];
const error = new EmbedderError('NON_FINITE', message, {
  cause: new Error('not sent'),
  indices,
  vectors: [new Float32Array(32), null],
});
const json = { name: 'EmbedderError', code: 'NON_FINITE', message, indices };

it('an error can be sent to another thread as toJSON', async () => {
  const { port1, port2 } = new MessageChannel();
  const received = new Promise((resolve) => port2.once('message', resolve));
  port1.postMessage(error.toJSON());
  expect(await received).toEqual(json);
  port1.close();
});

it('an error as JSON has its code and message, and no vectors', () => {
  expect(JSON.parse(JSON.stringify({ error }))).toEqual({ error: json });
  const closed = new EmbedderError('CLOSED', 'closed');
  expect(JSON.parse(JSON.stringify(closed))).toEqual({
    name: 'EmbedderError',
    code: 'CLOSED',
    message: 'closed',
  });
});
