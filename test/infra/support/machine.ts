import { StateMachine, type StateMachineDefinition } from 'aws-local-stepfunctions'
import type { Properties } from './synth.ts'

/** The name of every execution. */
export const executionName = 'execution-7'

/** The definition as AWS would read it: with an ARN where the template has a reference. */
export function readDefinition({ DefinitionString }: Properties): Properties {
  const text = DefinitionString['Fn::Join'][1]
    .map((part: string | { 'Fn::GetAtt': [string, string] }) =>
      typeof part === 'string'
        ? part
        : `arn:aws:lambda:eu-central-1:123456789012:function:${part['Fn::GetAtt'][0]}`,
    )
    .join('')
  return JSON.parse(text)
}

type Handler = (event: unknown) => unknown

/** Interprets a machine, with functions of the test in the places of Lambda's, and without pauses before retries. */
export const execute = (
  definition: Properties,
  input: object,
  functions: { open: Handler; advance: Handler },
): Promise<unknown> =>
  new StateMachine(definition as unknown as StateMachineDefinition).run(input as never, {
    overrides: {
      taskResourceLocalHandlers: { Open: functions.open as never, Advance: functions.advance as never },
      retryIntervalOverrides: { Open: 0, Advance: 0 },
    },
    context: { Execution: { Input: input as never, Name: executionName } } as never,
  }).result
