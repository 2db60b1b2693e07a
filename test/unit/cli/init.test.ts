import flags from 'aws-cdk-lib/recommended-feature-flags.json' with { type: 'json' }
import { expect, test } from 'vitest'
import { exampleConstruct, filesOf } from '../../../cli/init/template.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { loadConfig } from '../../../src/config/load-config.ts'
import { defaults } from '../../../src/config/options.ts'
import { templateFolder } from '../../../src/package-files.ts'

const part = (name: Parameters<typeof filesOf>[0]) => Object.fromEntries(filesOf(name, 'My Views'))

test('every folder asks for this version, by a name that npm takes', () => {
  expect(JSON.parse(part('every')['package.json']!)).toEqual({
    name: 'my-views',
    private: true,
    type: 'module',
    dependencies: { viewkeeper: `^${packageJson.version}` },
  })
})

test('an app has at most 30 lines, and the flags that `cdk init` writes: a missing one is an old behaviour of CDK', () => {
  const { 'bin/app.mts': app, 'cdk.json': cdk } = part('aws')
  expect(app!.trim().split('\n').length).toBeLessThanOrEqual(30)
  expect(exampleConstruct()).toMatch(
    /^new Viewkeeper\(stack, 'Viewkeeper', \{\n {2}environmentName: [\s\S]+\n\}\)$/,
  )
  const { app: started, context } = JSON.parse(cdk!)
  expect(started).toBe('node bin/app.mts')
  expect(Object.keys(context).sort()).toEqual(Object.keys(flags).sort())
})

test('for serve is nothing of AWS, and the defaults are written out', async () => {
  expect(Object.values(part('serve')).join('\n')).not.toMatch(/cdk|aws|lambda|environments:|\{\{/i)
  const { serve } = await loadConfig(new URL('serve/', templateFolder))
  const { environment, ...options } = serve
  expect(environment).toBe('{{name}}')
  expect(options).toEqual(
    Object.fromEntries(Object.keys(options).map((name) => [name, defaults[name as 'schedules']])),
  )
  expect(Object.keys(options)).toContain('schedules')
})
