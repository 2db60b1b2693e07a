import { expect, test } from 'vitest'
import { Project } from './support/project.ts'

/** All files of a project, with their texts. */
const textsOf = (project: Project, files: string[]) => files.map((file) => [file, project.read(file)])

test('init in an empty folder makes what check and new work with; a second init changes nothing', async () => {
  const project = new Project()
  project.remove('package.json')
  const out = await project.succeed('init')
  const made = [...out.matchAll(/✓ (\S+) +made/g)].map(([, file]) => file as string)
  expect(made).toEqual([
    'package.json',
    'viewkeeper.config.ts',
    'views/README.md',
    'migrations/README.md',
    'bin/app.ts',
    'cdk.json',
    '.github/workflows/viewkeeper.yml',
    '.gitignore',
  ])
  expect(out).toContain('npm install\n')
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

test('init in a CDK app keeps its files, adds what they lack, and shows the construct', async () => {
  const project = new Project()
  project.write('package.json', '{\n    "name": "shop",\n    "type": "commonjs"\n}\n')
  project.write('pnpm-lock.yaml', '')
  project.write('cdk.json', '{ "app": "npx tsx bin/shop.ts" }')
  project.write('.gitignore', 'node_modules\n')
  const out = await project.succeed('init')
  expect(out).toMatch(/✓ package\.json +added viewkeeper \^\d/)
  expect(out).toMatch(/✓ \.gitignore +added \.viewkeeper\/\n/)
  expect(out).toContain("new Viewkeeper(stack, 'Viewkeeper', {")
  expect(out).toContain('pnpm install\n')
  expect(project.read('package.json')).toMatch(
    /^\{\n {4}"name": "shop",\n {4}"type": "commonjs",\n {4}"devDependencies": \{\n {8}"viewkeeper": "\^[\d.]+"\n {4}\}\n\}\n$/,
  )
  expect(project.read('cdk.json')).toBe('{ "app": "npx tsx bin/shop.ts" }')
  expect(project.files('bin')).toEqual([])

  expect(await project.succeed('init')).toContain('everything is there: nothing was changed')
  // The package is CommonJS, and the files of Viewkeeper are ES modules all the same.
  await project.succeed('new', 'sales')
  await project.succeed('freeze', '-m', 'first', '--unverified')
  expect(await project.succeed('drift', '--offline')).toContain('1 view: authored and frozen are the same')
})
