import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutation, mutations } from './mutations.ts'

// Breaks one rule of the product after the other, in a copy of this tree, and looks whether its test finds it. `npm run mutate`: all
// of them; `npm run mutate backup`: those whose rule or file has this text.

const copy = mkdtempSync(join(tmpdir(), 'viewkeeper-mutate-'))
process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
for (const file of String(listed).split('\0').filter(existsSync)) cpSync(file, join(copy, file))
symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))

const [, , wanted = ''] = process.argv
let missed = 0
for (const mutation of mutations.filter(({ breaks, file }) => `${breaks} ${file}`.includes(wanted))) {
  try {
    console.log(`found  ${mutation.breaks}: ${findingOf(mutation)}`)
  } catch (error) {
    missed++
    console.log(`MISSED ${mutation.breaks}: ${(error as Error).message}`)
  }
}
if (missed > 0) throw new Error(`${missed} are not found.`)

/** The name of a test that passes, and fails once the rule is broken. */
function findingOf(mutation: Mutation): string {
  const { file, text, becomes } = mutation
  const before = readFileSync(join(copy, file), 'utf8')
  const parts = before.split(text)
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${text}`)
  const sound = test(mutation)
  if (sound.failed.length > 0 || sound.passed.length === 0)
    throw new Error(`before anything is broken, ${sound.failed[0] ?? 'no test has this name'} fails`)
  writeFileSync(join(copy, file), parts.join(becomes))
  const broken = test(mutation)
  writeFileSync(join(copy, file), before)
  if (broken.failed.length > 0) return broken.failed[0]!
  throw new Error(
    broken.passed.length === sound.passed.length ? 'no test fails' : 'the tests cannot be loaded any more',
  )
}

/** Runs the tests of this name, and gives the whole names of those that passed and failed. */
function test({ project, tests, named }: Mutation): Record<'passed' | 'failed', string[]> {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', `--outputFile=${report}`]
  const which = ['--project', project, `test/${project}/${tests}.test.ts`, '--testNamePattern', named]
  const { stderr } = spawnSync(process.execPath, [...vitest, ...which], { cwd: copy, encoding: 'utf8' })
  if (!existsSync(report)) throw new Error(`vitest has ended without a report: ${stderr}`)
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as {
    testResults: { assertionResults: { fullName: string; status: string }[] }[]
  }
  const all = testResults.flatMap(({ assertionResults }) => assertionResults)
  const of = (status: string) =>
    all.filter((each) => each.status === status).map(({ fullName }) => fullName.trim())
  return { passed: of('passed'), failed: of('failed') }
}
