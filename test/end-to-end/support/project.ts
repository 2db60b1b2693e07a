import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { temporaryFolder } from './viewkeeper.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const commandLine = join(repository, 'cli/viewkeeper.js')

/** What a command printed, and its exit code. */
export interface Ran {
  code: number | null
  out: string
  err: string
}

/** A folder of somebody who keeps their views with Viewkeeper. It is gone after the test. */
export class Project {
  readonly folder = temporaryFolder()
  private readonly url: string | undefined

  constructor(url?: string) {
    this.url = url
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(repository, join(this.folder, 'node_modules/viewkeeper'))
    this.write('package.json', '{ "type": "module" }')
  }

  write(file: string, content: string): void {
    mkdirSync(dirname(join(this.folder, file)), { recursive: true })
    writeFileSync(join(this.folder, file), content)
  }

  read = (file: string): string => readFileSync(join(this.folder, file), 'utf8')

  remove = (file: string): void => rmSync(join(this.folder, file))

  /** The files of a folder, in order; none where it is not there. */
  files(of: string): string[] {
    try {
      return readdirSync(join(this.folder, of)).sort()
    } catch {
      return []
    }
  }

  /** A view whose query stands in a file beside it. */
  author(name: string, query: string, fields = ''): void {
    this.write(`views/${name}.sql`, `${query}\n`)
    this.write(
      `views/${name}.ts`,
      `import { defineView } from 'viewkeeper'\nimport query from './${name}.sql'\n\nexport default defineView({ name: '${name}', query, ${fields} })\n`,
    )
  }

  unauthor(name: string): void {
    this.remove(`views/${name}.sql`)
    this.remove(`views/${name}.ts`)
  }

  /** Runs `viewkeeper` in the folder. No password ever stands in what it prints, and no stack. `interrupt`: when Ctrl-C is pressed. */
  async run(
    args: string[],
    {
      url = this.url,
      env = {},
      interrupt,
    }: { url?: string | undefined; env?: Record<string, string>; interrupt?: Promise<unknown> } = {},
  ): Promise<Ran> {
    return this.ended([process.execPath, commandLine, ...args], url, env, interrupt)
  }

  /** Runs a line as a step of a workflow does, with the command line as `npx viewkeeper`. */
  shell(line: string, env: Record<string, string>): Promise<Ran> {
    const typed = line.replaceAll('npx viewkeeper', `'${process.execPath}' '${commandLine}'`)
    return this.ended(['bash', '-e', '-c', typed], this.url, env)
  }

  private async ended(
    [program = '', ...args]: string[],
    url: string | undefined,
    env: Record<string, string>,
    interrupt?: Promise<unknown>,
  ): Promise<Ran> {
    const child = spawn(program, args, {
      cwd: this.folder,
      env: {
        PATH: process.env.PATH,
        HOME: this.folder,
        NO_COLOR: '1',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
        ...(url && { DATABASE_URL: url }),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    void interrupt?.then(() => child.kill('SIGINT'))
    const [out, err, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    const password = /:\/\/[^:@]*:([^@]+)@/.exec(url ?? '')?.[1]
    if (password !== undefined) expect(out + err).not.toContain(password)
    expect(out + err).not.toMatch(/^ +at .+:\d+/m)
    return { code, out, err }
  }

  /** The same for what has to succeed: what it printed. */
  async succeed(...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(args)
    expect({ code, err }, out).toEqual({ code: 0, err: '' })
    return out
  }

  /** The same for what has to be refused, as a wrong call or as a failure: standard error without the prefix `viewkeeper: `. */
  async refused(...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(args)
    expect([1, 2], out + err).toContain(code)
    return err.replace(/^viewkeeper: /, '').trimEnd()
  }
}
