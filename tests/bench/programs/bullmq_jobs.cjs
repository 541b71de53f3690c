// BullMQ: its worker (`work`), and its producer with the command line of producer.py.
'use strict';

const fs = require('node:fs');
const { Queue, Worker } = require('bullmq');
const IORedis = require('ioredis');

const TEXT = 'x'.repeat(73);
const IN_FLIGHT = 100;
const CHUNK = 1000;
const PACE_MS = 20;
const RECORD = 32; // of tally.py: called, first, last, runs

const connect = () => new IORedis({ path: process.env.BENCH_SOCKET, maxRetriesPerRequest: null });
const tally = fs.openSync(process.env.BENCH_TALLY, 'r+');
const load = (number) => ({ number, text: TEXT });

function called(number) {
  const cell = Buffer.alloc(8);
  cell.writeBigInt64LE(process.hrtime.bigint());
  fs.writeSync(tally, cell, 0, 8, number * RECORD);
}

function ran(number) {
  const now = process.hrtime.bigint();
  const cells = Buffer.alloc(24);
  fs.readSync(tally, cells, 0, 24, number * RECORD + 8);
  const runs = cells.readBigInt64LE(16) + 1n;
  if (runs === 1n) cells.writeBigInt64LE(now, 0);
  cells.writeBigInt64LE(now, 8);
  cells.writeBigInt64LE(runs, 16);
  fs.writeSync(tally, cells, 0, 24, number * RECORD + 8);
}

function work() {
  const handle = async (job) => {
    ran(job.data.number);
    return job.data.number;
  };
  new Worker('bench', handle, { connection: connect(), concurrency: 100 });
}

const ways = {
  async one(queue, first, end) {
    for (let number = first; number < end; number++) await queue.add('load', load(number));
  },
  async flight(queue, first, end) {
    let next = first;
    const client = async () => {
      while (next < end) await queue.add('load', load(next++));
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, client));
  },
  async bulk(queue, first, end) {
    for (let at = first; at < end; at += CHUNK) {
      const numbers = Array.from({ length: Math.min(CHUNK, end - at) }, (_, index) => at + index);
      await queue.addBulk(numbers.map((number) => ({ name: 'load', data: load(number) })));
    }
  },
  async paced(queue, first, end) {
    for (let number = first; number < end; number++) {
      await new Promise((resolve) => setTimeout(resolve, PACE_MS));
      called(number);
      await queue.add('load', load(number));
    }
  },
};

async function produce(way, words) {
  const given = (name) => Number(words[words.indexOf(name) + 1] || 0);
  const first = given('--first');
  const timed = first + (words.includes('--warm') ? given('--warm') : 0);
  const end = first + given('--count');
  const queue = new Queue('bench', { connection: connect() });
  await queue.waitUntilReady();
  await ways[way === 'paced' ? 'one' : way](queue, first, timed);
  const started = process.hrtime.bigint();
  await ways[way](queue, timed, end);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(JSON.stringify({ way, count: end - timed, seconds }));
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}

const [way, ...words] = process.argv.slice(2);
if (way === 'work') work();
else produce(way, words);
