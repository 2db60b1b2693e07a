import { execFileSync } from 'node:child_process'
import { Unable } from './transcript.ts'

/** Fails in one line where a program that the test needs is not in PATH. */
export function insistOn(program: string, versionFlag: string, purpose: string): void {
  try {
    execFileSync(program, [versionFlag], { stdio: 'ignore' })
  } catch {
    throw new Unable(`test:deploy needs ${program}, ${purpose}: it was not found in PATH`)
  }
}
