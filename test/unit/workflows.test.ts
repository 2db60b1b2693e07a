import { globSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
}

interface Job {
  uses?: string
  needs?: string | string[]
  permissions?: Record<string, string>
  strategy?: { matrix?: { part?: string[] } }
  steps?: Step[]
}

interface Workflow {
  permissions?: Record<string, string>
  jobs: Record<string, Job>
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const read = (file: string) => readFileSync(`${root}${file}`, 'utf8')
const folder = '.github/workflows'
const workflows = readdirSync(`${root}${folder}`).map((file) => {
  const text = read(`${folder}/${file}`)
  return { file, text, ...(parse(text) as Workflow) }
})
const jobs = workflows.flatMap(({ file, jobs }) =>
  Object.entries(jobs).map(([id, job]) => ({ ...job, file, id })),
)
const stepsOf = ({ steps = [] }: Job) => steps
const runsOf = (job: Job) => stepsOf(job).flatMap(({ run }) => run ?? [])

describe.each(workflows)('$file', ({ text, permissions, jobs }) => {
  const ofOthers = [...text.matchAll(/uses: (?!\.\/)(\S+?)@(.*)/g)]

  test('uses actions of others by a digest, beside the version that has it', () => {
    for (const [use, , pin] of ofOthers) expect(pin, use).toMatch(/^[0-9a-f]{40} # v\d+\.\d+\.\d+$/)
  })

  test('has no secret that could leak', () => {
    expect(text).not.toMatch(/secrets[.[]/)
  })

  test('may do only what a job asks for, or read the repository', () => {
    expect([{}, { contents: 'read' }]).toContainEqual(permissions)
  })

  test('runs parts and scripts that there are, and waits for jobs of its own', () => {
    const parts = [...read('.ci/run').matchAll(/^ {4}([a-z-]+\*?)\)/gm)].map(([, part]) => part!)
    const isPart = (part: string) =>
      parts.some((each) => (each.endsWith('*') ? part.startsWith(each.slice(0, -1)) : part === each))
    for (const job of Object.values(jobs)) {
      const given = runsOf(job).flatMap((run) => /^\.ci\/run ([a-z0-9-]+)$/.exec(run)?.[1] ?? [])
      const scripts = runsOf(job).flatMap((run) =>
        [...run.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script!),
      )
      expect([...given, ...(job.strategy?.matrix?.part ?? [])].filter((part) => !isPart(part))).toEqual([])
      expect(scripts.filter((script) => !Object.hasOwn(packageJson.scripts, script))).toEqual([])
      expect(Object.keys(jobs)).toEqual(expect.arrayContaining([job.needs ?? []].flat()))
    }
  })
})

test('an action has the same digest everywhere', () => {
  const digests = Map.groupBy(
    jobs.flatMap(stepsOf).flatMap(({ uses }) => uses ?? []),
    (uses) => uses.split('@')[0],
  )
  for (const uses of digests.values()) expect(new Set(uses).size, uses[0]).toBe(1)
})

test('the night audits all that is locked', () => {
  const locks = globSync(['**/package-lock.json', '.*/**/package-lock.json'], {
    cwd: root,
    exclude: ['**/node_modules', '.viewkeeper', '.git'],
  })
  const prefixes = locks.map((lock) => lock.replace(/\/?package-lock\.json$/, ''))
  expect(prefixes.toSorted()).toEqual(['', '.ci/majors', 'build/docs-site'])
  const runs = jobs.filter(({ file }) => file === 'nightly.yml').flatMap(runsOf)
  const audit = 'npm audit --audit-level=high'
  expect(runs).toEqual(
    expect.arrayContaining(prefixes.map((prefix) => (prefix === '' ? audit : `${audit} --prefix ${prefix}`))),
  )
})

test('a change runs the parts that .ci/run runs without a word', () => {
  const [, all = ''] = /^all=\((.*)\)$/m.exec(read('.ci/run')) ?? []
  expect(jobs.find(({ file }) => file === 'ci.yml')?.strategy?.matrix?.part).toEqual(all.split(' '))
})

test('part `deep` has every test that `npm test` leaves out', () => {
  const marks = /^\/\/ @module-tag deep|from '\S+support\/deep\.ts'/m
  const projects = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts') && marks.test(read(`test/${file}`)))
    .map((file) => file.split('/')[0]!)
  const script = packageJson.scripts['test:deep']
  expect(projects).not.toEqual([])
  expect([...new Set(projects)].filter((project) => !script.includes(`--project ${project}`))).toEqual([])
})

describe('the job that publishes', () => {
  const [job, ...others] = jobs.filter((each) => runsOf(each).some((run) => /\bnpm publish\b/.test(run)))

  test('is one, which npm trusts: with the Node of the scripts, and an npm that can be trusted', () => {
    expect(others).toEqual([])
    expect(job?.permissions).toEqual({ 'id-token': 'write' })
    const node = stepsOf(job!).find(({ uses }) => uses?.startsWith('actions/setup-node@'))?.with
    expect(node?.['node-version']).toBe(Number.parseInt(packageJson.devDependencies.node, 10))
    expect(runsOf(job!).join('\n')).toMatch(/npm install --global 'npm@>=11\.(5\.[1-9]|[6-9]|\d\d)/)
  })

  test('sends what another job has tested and packed', () => {
    const packs = jobs.find(({ file, id }) => file === job?.file && id === job?.needs)
    expect(runsOf(packs!)).toContain('.ci/run')
    expect(runsOf(packs!).join('\n')).toMatch(/npm pack/)
    expect(runsOf(job!).join('\n')).not.toMatch(/npm ci|npm pack/)
  })
})

test('every form of an issue has a name and questions of different names', () => {
  const forms = readdirSync(`${root}.github/ISSUE_TEMPLATE`).filter((file) => file !== 'config.yml')
  for (const form of forms) {
    const { name, description, body } = parse(read(`.github/ISSUE_TEMPLATE/${form}`)) as {
      name?: string
      description?: string
      body: { type: string; id?: string; attributes: { label?: string; value?: string } }[]
    }
    expect([name, description], form).not.toContain(undefined)
    const asked = body.filter(({ type }) => type !== 'markdown')
    expect(new Set(asked.map(({ id }) => id)).size, form).toBe(asked.length)
    for (const { id, attributes } of asked) expect(attributes.label, id).toBeDefined()
  }
})
