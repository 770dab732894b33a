import { fit, openData } from 'subbit';

// 1-bit weights, 2-bit activations, 4-bit gradients, on the 1,437 handwritten digits in the package.
const data = await openData('digits');
const model = await fit('digits', data, { bits: '1-2-4', epochs: 10 });

const { accuracy } = await model.evaluate(data.test);
console.log(`test accuracy ${accuracy.toFixed(3)}`);

const [first] = await model.predict(data.test.images.subarray(0, 8 * 8));
console.log(`the first test image is a ${first?.class} (${first?.probability.toFixed(2)})`);
