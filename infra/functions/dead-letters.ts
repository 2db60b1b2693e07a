import { Duration, Validations } from 'aws-cdk-lib'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

/**
 * The queue for events that could not be delivered, or failed with every retry. It keeps them for 14 days,
 * the maximum.
 */
export class DeadLetters extends Construct {
  readonly queue: Queue

  constructor(scope: Construct, id: string, environmentName: string) {
    super(scope, id)
    this.queue = new Queue(this, 'Queue', {
      queueName: `viewkeeper-${environmentName}-dead-letters`,
      retentionPeriod: Duration.days(14),
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
    })
    Validations.of(this.queue).acknowledge({
      id: 'AwsSolutions-SQS3',
      reason: 'This queue is the dead-letter queue.',
    })
  }
}
