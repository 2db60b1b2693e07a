import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { App, Stack } from 'aws-cdk-lib'
import { Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda'
import type { Asset } from 'aws-cdk-lib/aws-s3-assets'
import { expect, onTestFinished, test } from 'vitest'
import { codeOf, copySql } from '../../../infra/functions/viewkeeper-function.ts'

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'viewkeeper-code-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test('only the SQL of a folder is copied', () => {
  const folder = temporary()
  const from = join(folder, 'from')
  mkdirSync(from)
  for (const file of ['001_sales.up.sql', '001_sales.down.sql', 'README.md'])
    writeFileSync(join(from, file), '')
  copySql(from, join(folder, 'to'))
  expect(readdirSync(join(folder, 'to')).sort()).toEqual(['001_sales.down.sql', '001_sales.up.sql'])
})

test('a folder that is missing has no SQL', () => {
  const folder = temporary()
  copySql(join(folder, 'nowhere'), join(folder, 'to'))
  expect(readdirSync(folder)).toEqual([])
})

test('two functions of one app have the SQL of their own folders', () => {
  const folder = temporary()
  const stack = new Stack(new App({ outdir: join(folder, 'out') }), 'Own')
  const sqlOf = (name: string) => {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, `001_${name}.up.sql`), name)
    const code = codeOf('migrate', { sql: { migrations: join(folder, name) } })
    const lambda = new LambdaFunction(stack, name, {
      code,
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
    })
    return (lambda.node.findChild('Code') as Asset).assetPath
  }
  const paths = ['days', 'sales'].map((name) => join(folder, 'out', sqlOf(name), 'migrations'))
  expect(paths.map((path) => readdirSync(path))).toEqual([['001_days.up.sql'], ['001_sales.up.sql']])
})

test('a text stands beside the code of a function, whatever its length', () => {
  const folder = temporary()
  const stack = new Stack(new App({ outdir: join(folder, 'out') }), 'Own')
  const text = 'MII'.repeat(5000)
  const lambda = new LambdaFunction(stack, 'function', {
    code: codeOf('monitor', { texts: { 'authority.pem': text } }),
    handler: 'index.handler',
    runtime: Runtime.NODEJS_24_X,
  })
  const bundle = join(folder, 'out', (lambda.node.findChild('Code') as Asset).assetPath)
  expect(readFileSync(join(bundle, 'authority.pem'), 'utf8')).toBe(text)
  expect(readdirSync(bundle).length).toBeGreaterThan(1)
})

test('a bundle that is missing is refused, with the command that makes it', () => {
  expect(() => codeOf('no-such-function')).toThrow(/no-such-function is missing: .+`npm run build`/)
})
