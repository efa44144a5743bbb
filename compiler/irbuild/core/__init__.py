"""What every rule of the builder needs: environments, conversions, order of evaluation."""
