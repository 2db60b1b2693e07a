import { CfnOutput, Duration, type Stack } from 'aws-cdk-lib'
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets'
import { Queue } from 'aws-cdk-lib/aws-sqs'
import type { Viewkeeper } from '../../../../infra/index.ts'

/** Adds rules as an app does: one for every event, one for the refreshes of a view. Each has a queue that keeps what it gets. */
export function addPrograms(stack: Stack, viewkeeper: Viewkeeper): void {
  const keep = (id: string) => {
    // A reader of the queue removes nothing, and sees nothing twice.
    const queue = new Queue(stack, id, { visibilityTimeout: Duration.hours(12) })
    new CfnOutput(stack, `${id}Queue`, { value: queue.queueUrl })
    return new SqsQueue(queue)
  }
  viewkeeper.onEvent('Every', { target: keep('EveryEvent') })
  viewkeeper.onViewRefreshed('Sales', { views: ['sales'], target: keep('SalesRefreshed') })
}
