import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { promisify } from 'node:util'
import { Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { CfnTaskDefinition, type CfnTaskDefinitionProps } from 'aws-cdk-lib/aws-ecs'
import { PolicyDocument } from 'aws-cdk-lib/aws-iam'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { usualPort } from '../../serve/process.ts'

const read = (name: string) => readFileSync(new URL(`../../examples/serve/${name}`, import.meta.url), 'utf8')
const task = JSON.parse(read('fargate.json'))
const [container] = task.containerDefinitions
const policy = JSON.parse(read('fargate-execution.json'))

/** As CloudFormation writes the fields of a task; the options of a log driver are a map, whose keys stay. */
const capitalized = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(capitalized)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key[0]!.toUpperCase() + key.slice(1),
      key === 'options' ? each : capitalized(each),
    ]),
  )
}

test('the task of Fargate is what the schema of CloudFormation takes, with no field that it does not know', () => {
  const stack = new Stack()
  new CfnTaskDefinition(stack, 'Task', task as CfnTaskDefinitionProps)
  const [made] = Object.values(Template.fromStack(stack).findResources('AWS::ECS::TaskDefinition'))
  expect(made!.Properties).toEqual(capitalized(task))
})

test('its role may fetch the image, write the log and read the one secret; the process itself needs no right of AWS', () => {
  const document = PolicyDocument.fromJson(policy)
  expect(document.validateForIdentityPolicy()).toEqual([])
  const wide = policy.Statement.filter(({ Resource }: { Resource: string }) => Resource === '*')
  expect(wide.map(({ Action }: { Action: string }) => Action)).toEqual(['ecr:GetAuthorizationToken'])
  const allowed = policy.Statement.map(({ Resource }: { Resource: string }) => Resource)
  const [{ valueFrom }] = container.secrets
  expect(allowed).toContain(valueFrom)
  expect(allowed).toContainEqual(
    expect.stringContaining(`:log-group:${container.logConfiguration.options['awslogs-group']}:*`),
  )
  expect(allowed).toContainEqual(
    expect.stringMatching(new RegExp(`:repository/${/\/(\w+):/.exec(container.image)![1]}$`)),
  )
  expect(task).not.toHaveProperty('taskRoleArn')
})

test('it is the container of the other shapes: its port, its time to end, and nothing that it may write', () => {
  const compose = parse(read('compose.yaml')).services.viewkeeper
  expect(container.portMappings).toEqual([{ containerPort: usualPort, protocol: 'tcp' }])
  expect(`${container.stopTimeout}s`).toBe(compose.stop_grace_period)
  expect(container.readonlyRootFilesystem).toBe(compose.read_only)
  expect(container.linuxParameters.capabilities.drop).toEqual(compose.cap_drop)
})

test.each([
  [200, 0],
  [503, 1],
])('the health check of a process that answers %i ends with %i', async (status, code) => {
  const server = createServer((_, response) => response.writeHead(status).end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  try {
    const [, , flag, script] = container.healthCheck.command
    const asked = script.replace(String(usualPort), String(port))
    const ended = await promisify(execFile)(process.execPath, [flag, asked]).then(
      () => 0,
      (error: { code: number }) => error.code,
    )
    expect(ended).toBe(code)
  } finally {
    server.close()
  }
})
