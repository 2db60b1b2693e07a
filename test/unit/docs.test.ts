import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import { areOutdated, fingerprint, readFigures } from '../../bench/support/table.ts'
import { main } from '../../cli/program.ts'
import packageJson from '../../package.json' with { type: 'json' }
import { causeCodes } from '../../src/words/causes.ts'
import { kindWords, viewKinds } from '../../src/words/event.ts'
import { problemCodes, statusOf } from '../../src/words/problem.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...['docs', '.github/ISSUE_TEMPLATE'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((file) => `${folder}/${file}`),
  ),
].filter((file) => /\.(md|yml)$/.test(file))

test('the docs name every kind of incident that there is', () => {
  const words = viewKinds.map((kind) => kindWords[kind])
  for (const file of ['docs/events.md', 'CONTRIBUTING.md'])
    for (const line of read(file)
      .split('\n')
      .filter((each) => /^\| (`IncidentOpened`|incident) \|/.test(each)))
      expect(words.filter((word) => !line.includes(word.replace('the target', 'its target')))).toEqual([])
  const listed = (file: string) =>
    [...read(file).matchAll(/`failing`, `stale`[^)|;:.]*/g)].map(([list]) => list)
  for (const list of [...listed('docs/events.md'), ...listed('docs/monitoring.md')])
    expect(viewKinds.filter((kind) => !list.includes(`\`${kind}\``))).toEqual([])
})

const slug = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
const anchors = (file: string) =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slug(heading as string))

test('what messages name of the docs is there', () => {
  const named = ['src', 'cli', 'infra', 'page']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
        (file) => `${folder}/${file}`,
      ),
    )
    .filter((file) => /\.tsx?$/.test(file))
    .flatMap((file) => [
      ...[...read(file).matchAll(/docsOf\('(.+?)'\)/g)].map(([, place]) => place as string),
      ...[...read(file).matchAll(/runbookOf\('(.+?)'\)/g)].map(([, section]) => `runbook.md#${section}`),
    ])
  expect(named.length).toBeGreaterThan(10)
  const missing = named.filter((place) => {
    const [file, anchor] = `docs/${place}`.split('#') as [string, string?]
    return !existsSync(join(root, file)) || (anchor && !anchors(file).includes(anchor))
  })
  expect(missing).toEqual([])
})

/** What `viewkeeper <words> --help` prints. */
async function helpOf(words: string[]): Promise<string> {
  let printed = ''
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text
    return true
  })
  // Each call would leave a listener.
  const on = vi.spyOn(process.stdout, 'on').mockReturnValue(process.stdout)
  try {
    await main([...words, '--help'])
  } finally {
    on.mockRestore()
    write.mockRestore()
    process.exitCode = undefined
  }
  return printed
}
const namesIn = (help: string) =>
  [...help.matchAll(/^ {2}([a-z][a-z-]+)(?= |$)/gm)].map(([, name]) => name as string)
const optionsIn = (text: string) => [...text.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option)

/** The options of each command, by its words: `refresh`, `migrate up`. */
const commands = new Map<string, string[]>()
for (const name of namesIn(await helpOf([]))) {
  const help = await helpOf([name])
  commands.set(name, optionsIn(help))
  for (const child of ['migrate', 'token'].includes(name) ? namesIn(help) : [])
    commands.set(`${name} ${child}`, optionsIn(await helpOf([name, child])))
}

/** The options in a text that none of the commands has. */
const unknownOptions = (named: string[], text: string) => {
  const known = [...named.flatMap((name) => commands.get(name) ?? []), '--help', '--version']
  return optionsIn(text)
    .filter((option) => !known.includes(option))
    .map((option) => `${named.join(', ')} ${option}`)
}

/** What the docs write in code, in a line or in a block. A command goes on in the next line after a backslash. */
const codeIn = (text: string): string[] =>
  text
    .split(/^ *```.*$/m)
    .flatMap((part, at) =>
      at % 2 === 1
        ? part.replaceAll(/\\\n/g, ' ').split('\n')
        : [...part.matchAll(/`([^`]+)`/g)].map(([, code]) => (code as string).replaceAll(/\s+/g, ' ')),
    )

/** The calls of `viewkeeper` in a piece of code, each with its command and what follows it. */
const callsIn = (code: string) =>
  [...code.matchAll(/\bviewkeeper ([a-z][^|;)#"]*)/g)].flatMap(([, call = '']) => {
    const [first = '', second = ''] = call.split(/\s+/)
    const name = [`${first} ${second}`, first].find((words) => commands.has(words))
    return name === undefined ? [] : [{ name, call }]
  })

describe('the docs', () => {
  test.each(pages)('%s links only to what is there', (page) => {
    const broken = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)]
      .map(([link, file = '', anchor]) => ({
        link,
        target: file === '' ? page : join(dirname(page), file),
        anchor,
      }))
      .filter(
        ({ target, anchor }) =>
          !existsSync(join(root, target)) || (anchor && !anchors(target).includes(anchor)),
      )
    expect(broken).toEqual([])
  })

  test.each(problemCodes)('the runbook has a heading for %s, and the API page its status', (code) => {
    expect(read('docs/runbook.md')).toMatch(new RegExp(`^###.*\\b${code}\\b`, 'm'))
    const row = read('docs/http.md')
      .split('\n')
      .find((line) => /^\| \d{3}/.test(line) && line.includes(`\`${code}\``))
    expect(row).toMatch(new RegExp(`^\\| ${statusOf(code)}\\b`))
  })

  test.each(causeCodes)('the API page has the cause %s', (code) => {
    expect(read('docs/http.md')).toMatch(new RegExp(`^\\|.*\`${code}\`.*\\| `, 'm'))
  })

  test('docs/extending.md names only tests that exist', () => {
    const page = 'docs/extending.md'
    const cited = [...read(page).matchAll(/([\w/-]+\.test\.ts) › (`[^`]+`(?:, `[^`]+`)*)/g)]
    const missing = cited.flatMap(([, file, names]) => {
      const path = join('test', file as string)
      const text = existsSync(join(root, path)) ? read(path) : ''
      return [...(names as string).matchAll(/`([^`]+)`/g)]
        .map(([, name]) => name as string)
        .filter((name) => !text.includes(name))
        .map((name) => `${path} › ${name}`)
    })
    expect(cited.length).toBeGreaterThan(9)
    expect(missing).toEqual([])
  })

  test.each(pages)('%s names only files, scripts and alarms that exist', (page) => {
    const text = read(page)
    const files = [
      ...text.matchAll(/`((?:bench|build|cli|docs|functions|infra|local|page|schema|src|test)\/[\w./-]+)`/g),
    ]
      .map(([, file]) => file as string)
      .filter((file) => !existsSync(join(root, file)))
    const scripts = [...text.matchAll(/npm run (?:-s )?([\w:-]+)/g)]
      .map(([, script]) => script as string)
      .filter((script) => !Object.hasOwn(packageJson.scripts, script))
    // `npm run docs` makes this table of the alarms.
    const [, table = ''] = read('docs/monitoring.md').split('| alarm | tells |')
    const alarmIn = /(?<![\w*])\*([a-z]+(?:-[a-z]+)+)\*(?![\w*])/g
    const known = [...(table.split('\n\n')[0] ?? '').matchAll(alarmIn)].map(([, alarm]) => alarm)
    const alarms = [...text.matchAll(alarmIn)]
      .map(([, alarm]) => alarm)
      .filter((alarm) => !known.includes(alarm))
    expect(known.length).toBeGreaterThan(5)
    expect({ files, scripts, alarms }).toEqual({ files: [], scripts: [], alarms: [] })
  })

  test.each(pages)('%s writes commands only with options that they have', (page) => {
    const calls = codeIn(read(page)).flatMap(callsIn)
    expect(calls.flatMap(({ name, call }) => unknownOptions([name], call))).toEqual([])
  })

  test('docs/cli.md has a row for each command, with options that the command has', () => {
    const rows = [...read('docs/cli.md').matchAll(/^\| (`[^|]+(?:\\\|[^|]+)*) \| (.+) \|$/gm)].flatMap(
      ([, head = '', text = '']) => {
        const named = [...head.matchAll(/`([a-z-]+)/g)].map(([, name]) => name as string)
        return named.some((name) => commands.has(name)) ? [{ named, text }] : []
      },
    )
    const first = [...commands.keys()].filter((name) => !name.includes(' '))
    expect(first.filter((name) => !rows.some(({ named }) => named.includes(name)))).toEqual([])
    expect(first.length).toBeGreaterThan(25)
    expect(rows.flatMap(({ named, text }) => unknownOptions(named, text))).toEqual([])
  })
})

describe('the figures of the benchmarks', () => {
  const released = [...read('CHANGELOG.md').matchAll(/^## (\d+\.\d+\.\d+)/gm)].map(([, version]) => version!)
  const releases = [...new Set([packageJson.version, ...released])]

  test('are at most one release older than the benchmarks and the envelope: else measure all, then `npm run bench -- stamp`', () => {
    expect(areOutdated(readFigures(), fingerprint(), releases)).toBe(false)
  })

  test.each([
    ['of the version before', { version: '1.1.0', code: 'old' }, false],
    ['of two versions before, while the code is the same', { version: '1.0.0', code: 'new' }, false],
    ['of two versions before', { version: '1.0.0', code: 'old' }, true],
  ])('%s', (_, figures, outdated) => {
    expect(areOutdated(figures, 'new', ['1.2.0', '1.1.0', '1.0.0'])).toBe(outdated)
  })
})
