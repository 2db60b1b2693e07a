import { cpSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import postgres from 'postgres'
import { findFreePort } from '../../serve/process.ts'
import type { Tarball } from '../package/pack.ts'
import { type Place, Team } from '../package/team.ts'

const examples = fileURLToPath(new URL('../../examples', import.meta.url))
/** What a person who tried an example in this repository leaves in its folder. */
const leftovers = ['node_modules', '.viewkeeper', '.venv', 'cdk.out', 'target', 'logs', 'package-lock.json']
/** Lines that hold for the rest of a terminal's life. */
const lasting = /^(export |\. )/

/** An example outside this repository, with the package by its tarball: a stranger who types what its README says. */
export class Example {
  readonly team: Team
  private readonly sections: Map<string, string[]>
  /** What the second terminal was told to remember. */
  private remembered: string[] = []

  constructor(name: string, { path }: Tarball, place: Place, env: NodeJS.ProcessEnv = {}) {
    this.team = new Team(name, place, env)
    cpSync(`${examples}/${name}`, this.team.folder, {
      recursive: true,
      filter: (file) => !leftovers.includes(basename(file)),
    })
    this.edit('package.json', /"viewkeeper": "[^"]+"/, `"viewkeeper": "file:${path}"`)
    this.sections = sectionsOf(readFileSync(`${examples}/${name}/README.md`, 'utf8'))
  }

  /** Replaces a text of a file that must be there. */
  edit(file: string, before: RegExp | string, after: string): void {
    const text = this.team.read(file)
    const changed = text.replace(before, after)
    if (changed === text) throw new Error(`${file} has no ${before}`)
    this.team.write(file, changed)
  }

  /** Types the commands below a heading; gives what they printed. */
  async follows(heading: string): Promise<string> {
    const blocks = this.sections.get(heading)
    if (blocks === undefined) throw new Error(`The README has no commands below "${heading}"`)
    this.sections.delete(heading)
    let output = ''
    for (const block of blocks) {
      if (block === 'npx viewkeeper dev') await this.team.starts(block, /^ *Ctrl-C/)
      else output += await this.team.types(['set -e', ...this.remembered, block].join('\n'))
      this.remembered.push(...block.split('\n').filter((line) => lasting.test(line)))
    }
    return output
  }

  /** The headings with commands that nobody has typed yet. */
  get left(): string[] {
    return [...this.sections.keys()]
  }

  /** The rows of a query on the server of `npx viewkeeper dev`. */
  rows = (query: string): Promise<unknown[][]> =>
    this.on(async (sql) => Array.from(await sql.unsafe(query).values(), (row) => [...row]))

  /** Does `work` on that server. */
  async on<T>(work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    const url = await this.team.types('npx viewkeeper dev --database-url 2> /dev/null')
    const sql = postgres(url.trim(), { max: 1 })
    try {
      return await work(sql)
    } finally {
      await sql.end()
    }
  }
}

/** The variables with which the server of `npx viewkeeper dev` stands beside others. */
export const besideOthers = async () => ({ PORT: String(await findFreePort()) })

/** The blocks of commands by their headings. */
function sectionsOf(readme: string): Map<string, string[]> {
  const sections = readme.split(/^## /m).slice(1)
  const found = sections.map((section) => {
    const blocks = [...section.matchAll(/^```sh\n(.+?)\n```$/gms)].map(([, block]) => block as string)
    return [section.slice(0, section.indexOf('\n')), blocks] as const
  })
  return new Map(found.filter(([, blocks]) => blocks.length > 0))
}
