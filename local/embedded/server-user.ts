import { execFileSync } from 'node:child_process'
import { chownSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

export interface ServerUser {
  /** Makes a file or folder the server's own. */
  own(path: string): void
  /** The command, and what `spawn` needs besides, to run it as this user. */
  command(...args: string[]): { file: string; args: string[]; as: { uid?: number; gid?: number } }
}

/**
 * Who the server runs as. Postgres refuses root, so root hands it to `nobody`: no user is added to the machine.
 * Where a folder on the way to `paths` is closed to others (a clone in /root, a `mktemp -d`), the server gets the one
 * capability that lets it through.
 */
export function findServerUser(paths: string[]): ServerUser {
  if (process.getuid?.() !== 0) {
    return { own() {}, command: (file, ...args) => ({ file: file!, args, as: {} }) }
  }
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' })),
  )
  // The secure bit: without it access(2), which initdb asks, would not count the capability.
  const pass = [
    '--securebits',
    '+no_setuid_fixup',
    '--inh-caps',
    '+dac_override',
    '--ambient-caps',
    '+dac_override',
  ]
  const setpriv = ['--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', ...pass]
  const isOpen = paths.every(isOpenToOthers)
  return {
    own: (path) => chownSync(path, uid!, gid!),
    command: (file, ...args) =>
      isOpen
        ? { file: file!, args, as: { uid, gid } }
        : { file: 'setpriv', args: [...setpriv, file!, ...args], as: {} },
  }
}

function isOpenToOthers(path: string): boolean {
  const parent = dirname(path)
  if (parent === path) return true
  return (statSync(parent).mode & 0o001) !== 0 && isOpenToOthers(parent)
}
