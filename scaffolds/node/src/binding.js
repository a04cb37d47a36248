// scaffold:file if database or cache

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Finds the address of a dependency: the environment variable if it is set, else the uri of the binding with one
 * of the given types under SERVICE_BINDING_ROOT (https://servicebinding.io).
 * The address holds a password: it belongs into no log and no error.
 */
export function address(env, variable, ...types) {
  if (env[variable]) {
    return env[variable];
  }
  const root = env.SERVICE_BINDING_ROOT;
  if (!root) {
    throw new Error(`neither ${variable} nor SERVICE_BINDING_ROOT is set`);
  }
  for (const binding of bindings(root)) {
    const type = readEntry(root, binding, 'type');
    if (type !== undefined && types.includes(type)) {
      const uri = readEntry(root, binding, 'uri');
      if (uri === undefined) {
        throw new Error(`the binding ${binding} has no uri`);
      }
      return uri;
    }
  }
  throw new Error(`${variable} is not set and no binding under ${root} is of type ${types.join(' or ')}`);
}

function bindings(root) {
  try {
    return readdirSync(root).sort();
  } catch (error) {
    throw new Error(`cannot read the bindings: ${error.message}`);
  }
}

/** An entry of a binding; undefined where there is none. */
function readEntry(root, binding, entry) {
  try {
    return readFileSync(join(root, binding, entry), 'utf8').trim();
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
      return undefined;
    }
    throw new Error(`cannot read the binding ${binding}: ${error.message}`);
  }
}
