import { StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions'
import type { Properties } from './synth.ts'

/** The name of every execution. */
export const executionName = 'execution-7'

type Part = string | { 'Fn::GetAtt': [string, string] } | { Ref: string }

/** The definition as AWS would read it: with an ARN where the template has a function, and the URL of a queue. */
export function readDefinition({ DefinitionString }: Properties): Properties {
  const read = (part: Part): string => {
    if (typeof part === 'string') return part
    if ('Fn::GetAtt' in part)
      return `arn:aws:lambda:eu-central-1:123456789012:function:${part['Fn::GetAtt'][0]}`
    return part.Ref === 'AWS::Partition'
      ? 'aws'
      : `https://sqs.eu-central-1.amazonaws.com/123456789012/${part.Ref}`
  }
  return JSON.parse(DefinitionString['Fn::Join'][1].map(read).join(''))
}

type Handler = (event: unknown) => unknown

/** Interprets a machine, with functions of the test in the places of Lambda's and of the queue, and without pauses before retries. */
export const execute = (
  definition: Properties,
  input: object,
  functions: { open: Handler; advance: Handler; bury?: Handler },
): Promise<unknown> =>
  new StateMachine(definition as unknown as StateMachineDefinition).run(input as never, {
    overrides: {
      taskResourceLocalHandlers: {
        Open: functions.open as never,
        Advance: functions.advance as never,
        Bury: (functions.bury ?? (() => ({}))) as never,
      },
      retryIntervalOverrides: { Open: 0, Advance: 0, Bury: 0 },
    },
    context: { Execution: { Input: input as never, Name: executionName } } as never,
  }).result
