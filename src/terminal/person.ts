import { userInfo } from 'node:os'

/** Who works on this machine: the user of the operating system; `local` if it knows no name, as in some containers. */
export function person(): string {
  try {
    return userInfo().username
  } catch {
    return 'local'
  }
}
