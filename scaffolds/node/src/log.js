// Logging: one JSON object a line on stdout.

const levels = ['DEBUG', 'INFO', 'WARN', 'ERROR'];

/** The lowest level that is written: LOG_LEVEL, by default info. */
const wanted = levels.indexOf((process.env.LOG_LEVEL ?? '').toUpperCase());
const lowest = wanted < 0 ? levels.indexOf('INFO') : wanted;

function write(level, msg, fields) {
  if (levels.indexOf(level) >= lowest) {
    const line = { time: new Date().toISOString(), level, msg, ...fields };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

export const log = {
  debug: (msg, fields) => write('DEBUG', msg, fields),
  info: (msg, fields) => write('INFO', msg, fields),
  warn: (msg, fields) => write('WARN', msg, fields),
  error: (msg, fields) => write('ERROR', msg, fields),
};
