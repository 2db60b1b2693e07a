import { execFileSync } from 'node:child_process'
import { chownSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

export interface ServerUser {
  /** Makes this user the owner of a file or folder. */
  own(path: string): void
  /** What `spawn` needs to run a command as this user. */
  command(...args: string[]): { file: string; args: string[]; as: { uid?: number; gid?: number } }
}

/**
 * The user that the server runs as. PostgreSQL refuses root, so root starts it as `nobody`: no user has to be
 * added to the machine. If `nobody` may not enter a folder on the way to `paths` (a clone in /root, a `mktemp
 * -d`), the server gets the one capability that lets it in.
 */
export function findServerUser(paths: string[]): ServerUser {
  if (process.getuid?.() !== 0) {
    return { own() {}, command: (file, ...args) => ({ file: file!, args, as: {} }) }
  }
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' })),
  )
  // initdb calls access(2), which ignores the capability without this secure bit.
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
