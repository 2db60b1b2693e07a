import { Validations } from 'aws-cdk-lib'
import type { Construct } from 'constructs'

/** What the packs of cdk-nag for HIPAA and NIST find in every environment, and why it stays. */
const reasons: Record<string, string> = {
  IAMNoInlinePolicy:
    'Each role has one policy, which nobody else shares, and which is deleted with the role.',
  LambdaConcurrency:
    'The throttle of the API and the concurrency of batches bound how many functions run at once; reservedConcurrency keeps calls for the functions in which callers wait.',
  LambdaDLQ:
    'Events of schedules become dead letters; every other call has a caller who gets the error, and the next look does what a look left.',
  LambdaInsideVPC:
    'The functions deploy, send and start-batch do not use the database. They call EventBridge, Lambda, SNS and Step Functions, which would cost an endpoint each.',
}

/** Says to cdk-nag why the findings of the packs for HIPAA and NIST stay. */
export function acknowledgeFindings(scope: Construct): void {
  for (const pack of ['HIPAA.Security', 'NIST.800.53.R5'])
    for (const [rule, reason] of Object.entries(reasons))
      Validations.of(scope).acknowledge({ id: `${pack}-${rule}`, reason })
}
