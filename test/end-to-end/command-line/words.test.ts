import { describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { findFreePort } from '../../../serve/process.ts'
import { deep, eachCase } from '../../support/deep.ts'
import { Project } from '../support/project.ts'
import { freeze, useProjects } from './projects.ts'

const start = useProjects()

describe('without a database', () => {
  const unset =
    'DATABASE_URL is not set. Set it to postgres://user:password@host:5432/database, or name a deployed environment with --env.'
  const unsetForFreeze =
    'DATABASE_URL is not set. Set it to postgres://user:password@host:5432/database, or write --unverified.'

  test('what needs one says so, and what does not works', deep, async () => {
    const project = new Project()
    project.author('sales', 'select 1 as id')
    expect(await project.refused(...freeze())).toBe(unsetForFreeze)
    for (const command of [
      ['drift'],
      ['migrate', 'up'],
      ['migrate', 'down'],
      ['migrate', 'status'],
      ['adopt', '--all'],
    ]) {
      expect(await project.refused(...command), command.join(' ')).toBe(unset)
    }
    expect(project.files('migrations')).toEqual([])
    expect(await project.succeed(...freeze('--unverified'))).toContain(
      '✓ public.sales   new   not tried on a database',
    )
    expect(await project.succeed(...freeze())).toContain('nothing has changed')
    expect(await project.succeed('drift', '--offline')).toBe(
      '  ✓ 1 view: authored and frozen are the same; no database was read\n',
    )
  })

  eachCase(
    [
      [
        'nobody listens there',
        async (): Promise<string> => `postgres://me:hunter2@127.0.0.1:${await findFreePort()}/x`,
        /cannot be reached/,
        3,
      ],
      [
        'the password is wrong',
        async (): Promise<string> => (await start()).url.replace(/:[^:@]+@/, ':hunter2@'),
        /password/,
        3,
      ],
      [
        'there is no such database',
        async (): Promise<string> => (await start()).url.replace(/[^/]*$/, 'nowhere'),
        /"nowhere" does not exist/,
        3,
      ],
      [
        'the URL is none',
        async (): Promise<string> => 'postgres://me:hunter2@127.0.0.1:port/x',
        /DATABASE_URL cannot be used/,
        2,
      ],
      [
        'the URL is of another kind',
        async (): Promise<string> => 'mysql://me:hunter2@127.0.0.1/x',
        /does not start with postgres:/,
        2,
      ],
      [
        'the password is no URL',
        async (): Promise<string> => 'postgres://me:hunter2%@127.0.0.1/x',
        /DATABASE_URL cannot be used/,
        2,
      ],
    ],
    { quick: 1 },
  )('because %s, it is one line without the password', async (_, url, message, exitCode) => {
    const project = new Project()
    project.author('sales', 'select 1 as id')
    const unreachable = await url()
    for (const command of [freeze(), ['migrate', 'up']]) {
      const { code, out, err } = await project.run(command, { url: unreachable })
      expect.soft({ code, out }).toEqual({ code: exitCode, out: '' })
      expect.soft(err).toMatch(message)
      expect.soft(err.trimEnd()).not.toContain('\n')
      expect.soft(err).not.toContain('hunter2')
    }
  })
})

describe('the command line', () => {
  eachCase(
    [
      [[], /Usage: viewkeeper/],
      [['freze'], /unknown command 'freze'/],
      [['freeze'], /required option '-m, --message <why>'/],
      [['migrate', 'down', '0'], /Write a number from 1 on/],
      [['migrate', 'down', 'two'], /Write a number from 1 on/],
      [['migrate', 'sideways'], /unknown command 'sideways'/],
      [['freze'], /\(see npx viewkeeper --help\)/],
      [['drift', '--jsn'], /unknown option '--jsn'[\s\S]*\(see npx viewkeeper drift --help\)/],
      [['migrate', 'up', '--bogus'], /\(see npx viewkeeper migrate up --help\)/],
      [['drift', 'sales'], /too many arguments/],
      [
        ['create-role'],
        /^viewkeeper: DATABASE_URL is not set\. .* administrator; .* or, on AWS, --secret <arn> may have the password\.\n$/,
      ],
      [
        ['create-role', '--owner', 'a'],
        /unknown option '--owner'[\s\S]*\(see npx viewkeeper create-role --help\)/,
      ],
    ],
    { quick: 2 },
  )('with %j says what is wrong, and fails', async (args, message) => {
    const { code, err } = await new Project().run([...args])
    expect(code).toBe(2)
    expect(err).toMatch(message)
  })

  test('tells which version it is', async () => {
    expect(await new Project().succeed('--version')).toBe(`${packageJson.version}\n`)
  })

  test('tells what there is', async () => {
    const help = await new Project().succeed('--help')
    for (const command of ['freeze', 'drift', 'migrate', 'adopt', 'create-role'])
      expect(help).toContain(command)
  })
})
