import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { mustStop } from '../deploy/support/cleanup.ts'
import { finish } from '../deploy/support/command.ts'
import { Unable } from '../deploy/support/transcript.ts'

/** The Node of a team: `v24.1.0`, and the variables with which `node`, `npm` and `npx` are found. */
export interface TeamNode {
  version: string
  env: { PATH: string; npm_config_globalconfig: string }
}

/** The Node that runs this test, with the npm of the machine, outside this repository. */
export function nodeOfTeam(): TeamNode {
  const withoutRepository = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.includes('node_modules'))
    .join(delimiter)
  try {
    // npm looks for this file beside the Node that runs npm. The machine's registry and certificates hold for each Node.
    const npm_config_globalconfig = execFileSync('npm', ['config', 'get', 'globalconfig'], {
      env: { PATH: withoutRepository, HOME: process.env.HOME },
      encoding: 'utf8',
    }).trim()
    const PATH = `${dirname(process.execPath)}${delimiter}${withoutRepository}`
    return { version: process.version, env: { PATH, npm_config_globalconfig } }
  } catch (cause) {
    throw new Unable(`test:package needs an npm of the machine's own in PATH (${(cause as Error).message})`)
  }
}

/** Where teams work. */
export interface Place {
  /** The folder that has a folder for each team. */
  teams: string
  /** The folder of the transcripts. */
  transcripts: string
  node: TeamNode
}

/** A team's folder outside this repository. It has the package only by its tarball. What is typed there is written down. */
export class Team {
  readonly folder: string
  private readonly transcript: string
  private readonly env: NodeJS.ProcessEnv

  constructor(name: string, { teams, transcripts, node }: Place, env: NodeJS.ProcessEnv = {}) {
    this.folder = join(teams, name)
    this.transcript = join(transcripts, `${name}.txt`)
    this.env = { ...node.env, HOME: process.env.HOME, NO_COLOR: '1', ...env }
    mkdirSync(this.folder)
    appendFileSync(this.transcript, `# Node ${node.version}\n`)
  }

  read = (file: string): string => readFileSync(join(this.folder, file), 'utf8')

  write(file: string, text: string): void {
    mkdirSync(dirname(join(this.folder, file)), { recursive: true })
    writeFileSync(join(this.folder, file), text)
  }

  /** Types a command that has to end with this exit code, as a person does; gives what it printed. */
  async types(line: string, { env = {}, expect = 0 } = {}): Promise<string> {
    appendFileSync(this.transcript, `\n$ ${line}\n`)
    const { code, output } = await finish('sh', ['-c', line], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      log: this.transcript,
    })
    if (code === expect) return output
    throw new Error(`${line} ended with ${code} instead of ${expect} (${this.transcript})\n${output}`)
  }

  /** Types a command that goes on, and waits until it prints a line like this; gives the line's match. */
  async starts(
    line: string,
    until: RegExp,
    env = {},
  ): Promise<{ match: RegExpExecArray; stop(): Promise<void> }> {
    appendFileSync(this.transcript, `\n$ ${line}\n`)
    const child = spawn('sh', ['-c', `exec ${line}`], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, because Ctrl-C reaches the whole group.
      detached: true,
    })
    const ended = once(child, 'close')
    const stop = async () => {
      if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGINT')
      await ended
    }
    mustStop(line, { stop })
    child.stderr.on('data', (chunk) => appendFileSync(this.transcript, chunk))
    const lines = createInterface(child.stdout)
    return new Promise((resolve, reject) => {
      lines.on('line', (text) => {
        appendFileSync(this.transcript, `${text}\n`)
        const match = until.exec(text)
        if (match) resolve({ match, stop })
      })
      lines.on('close', () =>
        reject(new Error(`${line} ended before it printed ${until} (${this.transcript})`)),
      )
    })
  }
}
