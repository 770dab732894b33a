/**
 * Distillation (Hinton et al. 2015, at temperature 1): a trained network, the teacher, shows the student how probable it finds each class.
 *
 *     target = weight * teacher's probabilities + (1 - weight) * [k = label]
 */
import type { Backend } from '../core/backend.js';
import type { NetworkDefinition } from '../nn/network.js';
import { UsageError } from '../util/errors.js';
import type { Checkpoint } from './checkpoint.js';
import type { RunDescription } from './config.js';
import { fillVariables } from './fill-variables.js';
import { EvaluationSession } from './session.js';

export class Teacher {
  readonly #session: EvaluationSession;
  readonly #weight: number;
  readonly #targets: Float32Array;

  /** `student` must take the same images and tell the same classes. Throws a UsageError when it does not. */
  constructor(
    backend: Backend,
    checkpoint: Checkpoint,
    {
      student,
      definitions,
      batch,
      weight,
    }: {
      readonly student: RunDescription['network'];
      /** Of the teacher and the student. */
      readonly definitions: readonly [NetworkDefinition, NetworkDefinition];
      readonly batch: number;
      readonly weight: number;
    },
  ) {
    const { network } = checkpoint.network as unknown as RunDescription;
    const [definition, ofStudent] = definitions;
    const facts = (each: RunDescription['network'], { input }: NetworkDefinition): string =>
      JSON.stringify([input, each.classes, each.zeroPoints, each.step]);
    if (facts(network, definition) !== facts(student, ofStudent)) {
      throw new UsageError(
        `the teacher (${network.preset}) and the student (${student.preset}) differ in image size, normalisation or classes; train both on the same data`,
      );
    }
    this.#session = new EvaluationSession(backend, definition, { batch });
    this.#weight = weight;
    this.#targets = new Float32Array(batch * network.classes.length);
    fillVariables(this.#session.variables, checkpoint.tensors);
  }

  /** The targets of a full batch, [batch, classes]; the next call overwrites them. */
  async targetsOf(images: Uint8Array, labels: ArrayLike<number>): Promise<Float32Array> {
    const { batch, plan } = this.#session;
    await this.#session.evaluate(images, labels, batch);
    const probabilities = plan.tensor('probabilities');
    const classes = probabilities.length / batch;
    for (let i = 0; i < probabilities.length; i++) {
      const label = labels[Math.floor(i / classes)] === i % classes ? 1 : 0;
      this.#targets[i] = this.#weight * probabilities[i]! + (1 - this.#weight) * label;
    }
    return this.#targets;
  }

  dispose(): void {
    this.#session.dispose();
  }
}
