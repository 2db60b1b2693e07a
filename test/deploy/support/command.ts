import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { mustStop } from './cleanup.ts'

export interface Finished {
  code: number | null
  /** Standard output and standard error, as they came. */
  output: string
}

export interface CommandOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  /** File that gets the output too. */
  log: string
}

/** Runs a command to its end, whatever that is; it ends when this process is interrupted. */
export function finish(
  command: string,
  args: string[],
  { cwd, env, log }: CommandOptions,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const take = (chunk: Buffer) => {
      output += chunk
      appendFileSync(log, chunk)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    mustStop(command, { stop: async () => void child.kill() })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

/** Runs a command that has to succeed; its last lines are in the error otherwise. */
export async function succeed(command: string, args: string[], options: CommandOptions): Promise<string> {
  const { code, output } = await finish(command, args, options)
  if (code === 0) return output
  const lines = output.trimEnd().split('\n').slice(-40).join('\n')
  throw new Error(
    `${command} ${args.slice(0, 3).join(' ')} … ended with ${code} (all of it: ${options.log})\n${lines}`,
  )
}
