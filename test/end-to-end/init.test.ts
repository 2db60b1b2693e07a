import { expect, test } from 'vitest'
import { deep } from '../support/deep.ts'
import { Project } from './support/project.ts'

/** All files of a project, with their texts. */
const textsOf = (project: Project, files: string[]) => files.map((file) => [file, project.read(file)])
const madeIn = (out: string) => [...out.matchAll(/✓ (\S+) +made/g)].map(([, file]) => file as string)

test('init in an empty folder makes what check and new work with; a second init changes nothing', async () => {
  const project = new Project()
  project.remove('package.json')
  const out = await project.succeed('init')
  const made = madeIn(out)
  expect(made.sort()).toEqual([
    '.gitignore',
    'bin/app.mts',
    'cdk.json',
    'migrations/README.md',
    'package.json',
    'viewkeeper.config.ts',
    'views/README.md',
  ])
  expect(out).toContain('  npm install aws-cdk@2 aws-cdk-lib@2 constructs@10\n')
  expect(out).toContain('npx cdk deploy -c env=production')

  const before = textsOf(project, made)
  const again = await project.succeed('init')
  expect(again).toContain('everything is there: nothing was changed')
  expect(again).not.toContain('✓')
  expect(textsOf(project, made)).toEqual(before)

  expect(await project.succeed('drift', '--offline')).toContain('0 views: authored and frozen are the same')
  expect(await project.succeed('new', 'sales')).toContain('wrote views/sales.sql and views/sales.ts')
  await project.succeed('freeze', '-m', 'first', '--unverified')
  expect(await project.succeed('drift', '--offline')).toContain('1 view: authored and frozen are the same')
})

test('init in a CDK app keeps its files, says what they lack, and shows the construct', deep, async () => {
  const project = new Project()
  const own = {
    'package.json': '{ "name": "shop", "type": "commonjs" }\n',
    'cdk.json': '{ "app": "npx tsx bin/shop.ts" }',
    '.gitignore': '/node_modules\ncdk.out',
    'viewkeeper.config.mjs':
      "export default { folders: { views: 'db/views', migrations: 'db/migrations' } }\n",
  }
  for (const [file, text] of Object.entries(own)) project.write(file, text)
  const out = await project.succeed('init')
  expect(madeIn(out).sort()).toEqual(['db/migrations/README.md', 'db/views/README.md'])
  expect(textsOf(project, Object.keys(own))).toEqual(Object.entries(own))
  expect(out).toMatch(/· package\.json +kept/)
  expect(out).toMatch(/ {2}npm install viewkeeper@[\d.]+\n/)
  expect(out).toContain("    new Viewkeeper(stack, 'Viewkeeper', {\n      environmentName: 'production',\n")
  expect(project.files('bin')).toEqual([])
  const ignores = /^ +(printf .*)$/m.exec(out)?.[1]
  await project.shell(ignores!, {})
  expect(project.read('.gitignore')).toBe(`${own['.gitignore']}\n.viewkeeper/\n`)

  expect(await project.succeed('init')).toContain('everything is there: nothing was changed')
  // The package is CommonJS, and the files of Viewkeeper are ES modules all the same.
  await project.succeed('new', 'sales')
  await project.succeed('freeze', '-m', 'first', '--unverified')
  expect(await project.succeed('drift', '--offline')).toContain('1 view: authored and frozen are the same')
})
