import { execFileSync } from 'node:child_process'
import type { Emulator } from './emulator.ts'

/** Ends the processes of a function at once, as Lambda ends one that takes too long. The emulator starts new ones. */
export function killFunction({ port }: Emulator, name: string): void {
  const processes = execFileSync('ps', ['eww', '-A', '-o', 'pid=,command='], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  }).split('\n')
  // Each process is shown with its environment variables.
  const isOne = (line: string) =>
    [`AWS_LAMBDA_FUNCTION_NAME=${name}`, `GATEWAY_PORT=${port}`].every((part) =>
      line.split(' ').includes(part),
    )
  const found = processes.filter(isOne).map((line) => Number.parseInt(line, 10))
  if (found.length === 0) throw new Error(`no process of the function ${name}`)
  for (const pid of found) process.kill(pid, 'SIGKILL')
}

/**
 * Whether the emulator ended the function in the middle of the call, because it updates the function; Lambda lets the call end.
 * These are all its answers to 2,500 calls of a function that was updated all the time. What a function of ours writes to
 * stderr when it cannot start would follow the last one.
 */
export const isCutOff = (body: string): boolean =>
  /"errorMessage": ?"(Worker process died|'NoneType' object has no attribute '\w+'|\[Errno 2\] [^"]*|Worker process exited immediately\. stderr: )"/.test(
    body,
  )
