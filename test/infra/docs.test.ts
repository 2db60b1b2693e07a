import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { madeParts, readPage } from './support/docs.ts'
import { kinds } from './support/synth.ts'

test.each(madeParts)('$page, part $name, is as npm run docs makes it', (part) => {
  const { written, made } = readPage(part)
  expect(written).toBe(made)
})

const root = new URL('../../', import.meta.url)
const read = (file: string) => readFileSync(new URL(file, root), 'utf8')
const filesIn = (folder: string) =>
  readdirSync(new URL(folder, root)).flatMap((file) => (file.endsWith('.md') ? [`${folder}/${file}`] : []))

/** Every text of a template, and every key of the JSON that it makes of texts and references. */
const textsIn = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(textsIn)
const made = [kinds.created, kinds.imported].flatMap(({ template }) => textsIn(template.toJSON()))
const { region } = kinds.imported.stack
const parameter = textsIn(kinds.imported.one('AWS::SSM::Parameter')[1].Properties.Value).join('')
const keys = [...parameter.matchAll(/"(\w+)":/g)].map(([, key]) => key)

/** What the types of the package have: properties, props and methods. */
const members = new Set(
  filesIn('build/api').flatMap((report) =>
    [...read(report).matchAll(/^ +(?:(?:static|abstract|protected|readonly|get) )*(\w+)\??[(:]/gm)].map(
      ([, name]) => name,
    ),
  ),
)
/** Props of constructs of the CDK, and options of programs, that the docs name beside ours. */
const ofOthers = ['allowMajorVersionUpgrade', 'on_configuration_change', 'synchronize']

describe.each(['README.md', ...filesIn('docs')])('%s names only what there is:', (page) => {
  const text = read(page)
  const inCode = text
    .split(/^ *```.*$/m)
    .flatMap((part, at) => (at % 2 === 1 ? [] : [...part.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)))

  test('topics, queues, policies, alarms, log groups and parameters of an environment', () => {
    const named = [
      ...text.matchAll(/viewkeeper-(?:<environment>|production)-[a-z<>-]+/g),
      ...text.matchAll(/\/viewkeeper\/(?:<environment>|production)\b(?:\/[a-z<>-]+)?/g),
    ].map(([name]) => name)
    const here = (name: string) =>
      name
        .replace(/<environment>|production/, 'test')
        .replace('<function>', 'monitor')
        .replace('<region>', region)
    expect(named.filter((name) => !made.includes(here(name)))).toEqual([])
  })

  test('props and options, with their values', () => {
    const named = inCode.flatMap((code) => /^([a-z]\w*): /.exec(code)?.[1] ?? [])
    expect(named.filter((name) => !members.has(name) && !ofOthers.includes(name))).toEqual([])
  })

  test('what a construct has, and the parameter of an environment', () => {
    const named = [
      ...[...text.matchAll(/(?<![/\w])views\.(?!(?:md|ts|svg|example)\b)([a-z]\w*)/g)].map(
        ([, name]) => name!,
      ),
      ...[...text.matchAll(/\bviews\(["'](\w+)/g)].map(([, key]) => key!),
      ...inCode.filter((code) => /^[a-z]\w*(?:Arn|Url)$/.test(code)),
    ]
    expect(named.filter((name) => !members.has(name) && !keys.includes(name))).toEqual([])
  })
})

test('docs/cdk.md lists what a construct has', () => {
  const [, table = ''] = read('docs/cdk.md').split('## What the construct gives')
  const named = table
    .split('\n\n')[1]!
    .split('\n')
    .flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)/g)].map(([, name]) => name))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !members.has(name))).toEqual([])
})
